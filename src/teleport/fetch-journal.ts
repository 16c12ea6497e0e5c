/**
 * Which frames of a memory or disk that is being downloaded are on this host's disk already. Its bytes are in docs/FORMAT.md.
 *
 * The order of the syncs is what makes it right: pages are written, their file is synced, and only then does the journal name their
 * frames; it is replaced whole, and has a digest. So after any crash it says too little rather than too much. A journal that is
 * damaged, or of another map, is as good as none: what it spoke of is fetched again, from nothing.
 */
import { assert } from '../base/assert.ts';
import { fromHex, fromUtf8Lossy, hex, utf8, viewOf } from '../base/bytes.ts';
import { replaceDurably } from '../env/durable-files.ts';
import { isSystemError } from '../env/system-error.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { FRAMES_MAX } from '../store/packages/limits.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { FetchJournal } from '../store/teleport-storage.ts';

const MAGIC = 'KLFJ';
const VERSION = 1;
const HEADER_BYTES = 12;
const DIGEST_BYTES = 32;
const BYTES_MAX: number = HEADER_BYTES + FRAMES_MAX / 8 + DIGEST_BYTES;

export class FetchJournalFile implements FetchJournal {
  readonly #env: Pick<Env, 'files' | 'compute'>;
  readonly #path: string;
  readonly #frameCount: number;
  /** One bit for each frame, the lowest of a byte first. */
  readonly #bits: Bytes;

  private constructor(env: Pick<Env, 'files' | 'compute'>, path: string, frameCount: number, bits: Bytes) {
    this.#env = env;
    this.#path = path;
    this.#frameCount = frameCount;
    this.#bits = bits;
  }

  /** A journal that knows of nothing; the first `done` writes it. */
  static begin(env: Pick<Env, 'files' | 'compute'>, path: string, frameCount: number): FetchJournalFile {
    assert(frameCount <= FRAMES_MAX, 'the frames are those of one map');
    return new FetchJournalFile(env, path, frameCount, new Uint8Array(Math.ceil(frameCount / 8)));
  }

  /** What was written down for a map of `frameCount` frames; null when nothing of use was. @throws KelpieError `io_failed` … */
  static async read(
    env: Pick<Env, 'files' | 'compute'>,
    path: string,
    frameCount: number,
  ): Promise<FetchJournalFile | null> {
    const bytes = await attemptLocally('go on with the download', () => readIfThere(env, path));
    const bits = bytes === null ? null : decode(bytes, frameCount, env);
    return bits === null ? null : new FetchJournalFile(env, path, frameCount, bits);
  }

  readonly isDone = (frame: number): boolean => {
    this.#check(frame);
    return ((this.#bits[frame >>> 3] ?? 0) & (1 << (frame & 7))) !== 0;
  };

  readonly done = async (frames: readonly number[]): Promise<void> => {
    for (const frame of frames) {
      this.#check(frame);
      this.#bits[frame >>> 3] = (this.#bits[frame >>> 3] ?? 0) | (1 << (frame & 7));
    }
    await attemptLocally('write down how far the download has come', () =>
      replaceDurably(this.#env.files, this.#path, encode(this.#bits, this.#frameCount, this.#env)),
    );
  };

  #check(frame: number): void {
    assert(frame >= 0 && frame < this.#frameCount, 'a frame of the map');
  }
}

async function readIfThere({ files }: Pick<Env, 'files'>, path: string): Promise<Bytes | null> {
  try {
    return await files.readFile(path, BYTES_MAX);
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'EFBIG')) return null;
    throw error;
  }
}

function encode(bits: Bytes, frameCount: number, { compute }: Pick<Env, 'compute'>): Bytes {
  const bytes = new Uint8Array(HEADER_BYTES + bits.byteLength + DIGEST_BYTES);
  const view = viewOf(bytes);
  bytes.set(utf8(MAGIC), 0);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, frameCount, true);
  bytes.set(bits, HEADER_BYTES);
  const end = HEADER_BYTES + bits.byteLength;
  bytes.set(fromHex(compute.sha256(bytes.subarray(0, end))), end);
  return bytes;
}

/** Null for what is not exactly a journal of so many frames: another version's too. */
function decode(bytes: Bytes, frameCount: number, { compute }: Pick<Env, 'compute'>): Bytes | null {
  const end = HEADER_BYTES + Math.ceil(frameCount / 8);
  if (bytes.byteLength !== end + DIGEST_BYTES) return null;
  const view = viewOf(bytes);
  const isOurs =
    fromUtf8Lossy(bytes.subarray(0, 4)) === MAGIC &&
    view.getUint32(4, true) === VERSION &&
    view.getUint32(8, true) === frameCount &&
    compute.sha256(bytes.subarray(0, end)) === hex(bytes.subarray(end));
  return isOurs ? bytes.slice(HEADER_BYTES, end) : null;
}
