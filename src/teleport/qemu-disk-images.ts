/** Chains of raw and qcow2 layers, read by `qemu-img`: it knows the format, we read the bytes. */
import { z } from 'zod';
import { canceledError } from '../base/cancel.ts';
import { concat, fromUtf8Lossy } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { isSystemError } from '../env/system-error.ts';
import { diskLayerPath } from '../snapshot/local-snapshot.ts';
import { PageMap } from '../snapshot/page-map.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { MappedRun } from '../snapshot/page-map.ts';
import type { DiskImages } from './disk-images.ts';

const PROGRAM = 'qemu-img';
/** A disk of a million separate extents is fragmented beyond use. */
const MAP_JSON_BYTES_MAX: number = 256 * MIB;
const ERROR_BYTES_MAX = 4096;

const mapSchema = z.array(
  z.object({
    start: z.int().nonnegative(),
    length: z.int().positive(),
    zero: z.boolean(),
    data: z.boolean(),
    offset: z.int().nonnegative().optional(),
    filename: z.string().optional(),
    depth: z.int().nonnegative(),
  }),
);

type MapEntry = z.infer<typeof mapSchema>[number];

export class QemuDiskImages implements DiskImages {
  readonly #env: Env;
  readonly #blobDirectory: string;

  constructor(env: Env, blobDirectory: string) {
    this.#env = env;
    this.#blobDirectory = blobDirectory;
  }

  async pageMap(layers: readonly DiskLayer[], signal?: AbortSignal): Promise<PageMap> {
    const top = this.#top(layers);
    const text = await this.#run(['map', '--output=json', '-f', top.format, this.#path(top)], signal);
    const entries = mapSchema.parse(JSON.parse(text));
    const runs = entries
      .filter((entry) => entry.data && !entry.zero)
      .map((entry) => this.#toRun(entry, layers));
    const isWithin = runs.every(({ firstPage, count }) => (firstPage + count) * PAGE_BYTES <= top.sizeBytes);
    if (!isWithin) throw this.#unreadable('it is larger than the snapshot says');
    return PageMap.of(top.sizeBytes / PAGE_BYTES, runs);
  }

  #toRun({ start, length, offset, depth }: MapEntry, layers: readonly DiskLayer[]): MappedRun {
    // Depth 0 is the top; what qemu-img says of file names is how it opened them, not ours to rely on.
    const layer = layers.at(-1 - depth);
    if (layer === undefined || offset === undefined)
      throw this.#unreadable('a layer is compressed or missing');
    if ([start, length, offset].some((bytes) => bytes % PAGE_BYTES !== 0))
      throw this.#unreadable('its extents are not of whole pages');
    return {
      firstPage: start / PAGE_BYTES,
      count: length / PAGE_BYTES,
      pageFile: layer.id,
      sourcePage: offset / PAGE_BYTES,
    };
  }

  #top(layers: readonly DiskLayer[]): DiskLayer {
    const top = layers.at(-1);
    if (top === undefined) throw this.#unreadable('it has no layers');
    return top;
  }

  #path(layer: DiskLayer): string {
    return diskLayerPath(this.#blobDirectory, layer);
  }

  #unreadable(why: string): KelpieError {
    return new KelpieError('snapshot_corrupt', `the disk of the snapshot cannot be read: ${why}.`);
  }

  /** The program's stdout. It is ended when `signal` is aborted. */
  async #run(args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
    const child = await this.#spawn(args);
    const onAbort = (): void => child.kill('SIGKILL');
    signal?.addEventListener('abort', onAbort);
    try {
      const [stdout, stderr, status] = await Promise.all([
        collect(child.stdout, MAP_JSON_BYTES_MAX),
        collect(child.stderr, ERROR_BYTES_MAX),
        child.wait(),
      ]);
      if (signal?.aborted === true) throw canceledError(signal, 'reading the disk');
      if ('code' in status && status.code === 0) return fromUtf8Lossy(stdout);
      throw this.#failed(fromUtf8Lossy(stderr).trim());
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #spawn(args: readonly string[]): ReturnType<Env['processes']['spawn']> {
    try {
      return await this.#env.processes.spawn({ command: PROGRAM, args, output: 'capture' });
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      throw new KelpieError('backend_unavailable', `${PROGRAM} is not installed: install qemu-utils.`, {
        cause: error,
      });
    }
  }

  #failed(stderr: string): KelpieError {
    if (/no space left/i.test(stderr))
      return new KelpieError('disk_full', 'this host’s disk is full: free some space and try again.');
    return new KelpieError(
      'snapshot_corrupt',
      `the disk of the snapshot cannot be read: ${PROGRAM} says "${stderr}".`,
    );
  }
}

/** Everything a program prints, up to a bound; the rest is read and dropped so that it can end. */
async function collect(stream: AsyncIterable<Bytes>, sizeBytesMax: number): Promise<Bytes> {
  const parts: Bytes[] = [];
  let length = 0;
  for await (const part of stream) {
    if (length < sizeBytesMax) parts.push(part);
    length += part.byteLength;
  }
  return concat(parts);
}
