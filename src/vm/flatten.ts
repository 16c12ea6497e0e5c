import { fromUtf8Lossy, concat } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canceledError } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import { diskLayerPath } from '../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import { topLayer } from './disk-layers.ts';

/** What is kept of a tool's complaint. */
const COMPLAINT_BYTES_MAX = 4096;

/**
 * One sparse layer with what a whole chain shows, for chains that have become too long to open. The chain is not touched.
 * @throws KelpieError `io_failed`, `canceled`; nothing is left then.
 */
export async function flattenDisk(
  env: Env,
  blobDirectory: string,
  disk: readonly DiskLayer[],
  signal: AbortSignal | undefined,
): Promise<DiskLayer> {
  const top = topLayer(disk);
  const flat: DiskLayer = { id: env.random.uuid(), format: 'raw', sizeBytes: top.sizeBytes };
  const target = diskLayerPath(blobDirectory, flat);
  const args = [
    'convert',
    '-f',
    top.format,
    '-O',
    'raw',
    '-S',
    '4k',
    diskLayerPath(blobDirectory, top),
    target,
  ];
  try {
    const child = await env.processes.spawn({ command: 'qemu-img', args, output: 'capture' });
    const kill = (): void => child.kill('SIGKILL');
    signal?.addEventListener('abort', kill, { once: true });
    try {
      if (signal?.aborted === true) kill();
      const complaint = await firstBytes(child.stderr);
      const status = await child.wait();
      if (signal?.aborted === true) throw canceledError(signal, 'joining the layers of the disk');
      if ('code' in status && status.code === 0) return flat;
      throw new KelpieError('io_failed', `qemu-img could not join the layers of the disk: ${complaint}`);
    } finally {
      signal?.removeEventListener('abort', kill);
    }
  } catch (error) {
    await env.files.removeTree(target);
    throw error;
  }
}

/** Reads a stream to its end and keeps its beginning. */
async function firstBytes(stream: AsyncIterable<Bytes>): Promise<string> {
  const kept: Bytes[] = [];
  let keptBytes = 0;
  for await (const chunk of stream) {
    const part = chunk.slice(0, COMPLAINT_BYTES_MAX - keptBytes);
    kept.push(part);
    keptBytes += part.byteLength;
  }
  return fromUtf8Lossy(concat(kept)).trim();
}
