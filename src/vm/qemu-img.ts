/** `qemu-img`, which knows where files have data and how layers of disks look inside. */
import { z } from 'zod';
import { concat, fromUtf8Lossy } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canceledError } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type { Env } from '../env/env.ts';
import { isSystemError } from '../env/system-error.ts';

const PROGRAM = 'qemu-img';
/** A million separate extents are fragmented beyond use. */
const MAP_JSON_BYTES_MAX: number = 256 * MIB;
const ERROR_BYTES_MAX = 4096;

/** A stretch of a disk, or of a plain file that is read as one. */
export interface ImageExtent {
  readonly start: number;
  readonly length: number;
  readonly zero: boolean;
  readonly data: boolean;
  /** Where it is in the file of its layer. */
  readonly offset?: number | undefined;
  /** Of the layer that has it: 0 is the top. */
  readonly depth: number;
}

const mapSchema: z.ZodType<readonly ImageExtent[]> = z.array(
  z.object({
    start: z.int().nonnegative(),
    length: z.int().positive(),
    zero: z.boolean(),
    data: z.boolean(),
    offset: z.int().nonnegative().optional(),
    depth: z.int().nonnegative(),
  }),
);

export interface MappedImage {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  /** For sentences: `the disk of the snapshot`. */
  readonly what: string;
}

/** Where it has data, ascending. @throws KelpieError `snapshot_corrupt`, `backend_unavailable`, `disk_full`, `canceled`. */
export async function mapImage(
  env: Pick<Env, 'processes'>,
  image: MappedImage,
  signal?: AbortSignal,
): Promise<readonly ImageExtent[]> {
  const text = await run(env, ['map', '--output=json', '-f', image.format, image.path], image.what, signal);
  return mapSchema.parse(JSON.parse(text));
}

/** The program's stdout. It is ended when `signal` is aborted. */
async function run(
  env: Pick<Env, 'processes'>,
  args: readonly string[],
  what: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const child = await spawn(env, args);
  const onAbort = (): void => child.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort);
  try {
    const [stdout, stderr, status] = await Promise.all([
      collect(child.stdout, MAP_JSON_BYTES_MAX),
      collect(child.stderr, ERROR_BYTES_MAX),
      child.wait(),
    ]);
    if (signal?.aborted === true) throw canceledError(signal, `reading ${what}`);
    if ('code' in status && status.code === 0) return fromUtf8Lossy(stdout);
    throw failed(what, fromUtf8Lossy(stderr).trim());
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function spawn(
  env: Pick<Env, 'processes'>,
  args: readonly string[],
): ReturnType<Env['processes']['spawn']> {
  try {
    return await env.processes.spawn({ command: PROGRAM, args, output: 'capture' });
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    const message = `${PROGRAM} is not installed: install qemu-utils.`;
    throw new KelpieError('backend_unavailable', message, { cause: error });
  }
}

function failed(what: string, stderr: string): KelpieError {
  if (/no space left/i.test(stderr))
    return new KelpieError('disk_full', 'this host’s disk is full: free some space and try again.');
  return new KelpieError('snapshot_corrupt', `${what} cannot be read: ${PROGRAM} says "${stderr}".`);
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
