/** Takes an image over from somewhere else: another folder, or a store. */
import { concat } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { chunksOf } from '../env/file-chunks.ts';
import { isSystemError } from '../env/system-error.ts';
import { encodeImageInfo, imageFile, parseImageInfo } from './image-info.ts';
import { imageByDigest } from './image-store.ts';
import { IMAGE_FILE_NAMES, imagePaths } from './paths.ts';
import { publishStaged, removeStaleStaging, withStaging } from './staging.ts';
import { writeWhole } from './whole-file.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { FileHandle } from '../env/files.ts';
import type { ImageFile, ImageInfo } from './image-info.ts';
import type { ImageFileName } from './paths.ts';

/** Where an image comes from. Both are untrusted: nothing is installed whose digests are not right. */
export interface ImageSource {
  /** The bytes of `image.json`. */
  readonly description: Bytes;
  /** The bytes of one file, in order. Called once per file. */
  readonly fetchFile: (name: ImageFileName) => AsyncIterable<Bytes>;
}

/** Bytes that have arrived, of all files. */
export type OnInstallProgress = (doneBytes: number, totalBytes: number) => void;

/**
 * Installs an image, or finds that it is there. Durable when it resolves; nothing is visible before.
 * @param digest which image it must be; null takes any.
 * @throws KelpieError `image_corrupt`, `disk_full`; what `fetchFile` throws; the signal's reason.
 */
export async function installImage(
  env: Env,
  home: string,
  source: ImageSource,
  options: {
    readonly digest: string | null;
    readonly onProgress?: OnInstallProgress;
    readonly signal: AbortSignal;
  },
): Promise<ImageInfo> {
  const info = parseImageInfo(env.compute, source.description);
  if (options.digest !== null && info.digest !== options.digest) {
    throw new KelpieError(
      'image_corrupt',
      `What was offered as the image ${options.digest} is ${info.digest}.`,
    );
  }
  if (await isInstalled(env, home, info.digest)) return info;
  const totalBytes = info.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  let doneBytes = 0;
  const onChunk = (length: number): void => {
    options.signal.throwIfAborted();
    doneBytes += length;
    options.onProgress?.(doneBytes, totalBytes);
  };
  try {
    await withStaging(env, home, async (staged) => {
      await removeStaleStaging(env.files, home);
      for (const name of IMAGE_FILE_NAMES) {
        await receiveFile(
          env,
          `${staged.directory}/${name}`,
          imageFile(info, name),
          source.fetchFile(name),
          onChunk,
        );
      }
      await writeWhole(env.files, staged.description, encodeImageInfo(info), { sync: true });
      options.signal.throwIfAborted();
      await publishStaged(env.files, home, staged, info.digest);
    });
  } catch (error) {
    if (!isSystemError(error, 'ENOSPC', 'EDQUOT')) throw error;
    throw new KelpieError('disk_full', `There is no room for the image ${info.digest} under ${home}.`, {
      cause: error,
    });
  }
  return info;
}

async function isInstalled(env: Env, home: string, digest: string): Promise<boolean> {
  try {
    await imageByDigest(env, home, digest);
    return true;
  } catch (error) {
    if (error instanceof KelpieError && error.code === 'image_not_found') return false;
    throw error;
  }
}

async function receiveFile(
  env: Env,
  path: string,
  file: ImageFile,
  chunks: AsyncIterable<Bytes>,
  onChunk: (length: number) => void,
): Promise<void> {
  const handle = await env.files.open(path, 'wx');
  try {
    const hasher = env.compute.sha256Hasher();
    const writer = new SparseWriter(env, handle);
    let length = 0;
    for await (const chunk of chunks) {
      length += chunk.byteLength;
      if (length > file.sizeBytes) throw corrupt(file, 'it is longer than described');
      hasher.update(chunk);
      await writer.write(chunk);
      onChunk(chunk.byteLength);
    }
    if (length < file.sizeBytes) throw corrupt(file, 'it is shorter than described');
    if (hasher.digest() !== file.sha256) throw corrupt(file, 'its digest is wrong');
    await writer.finish();
    await handle.truncate(file.sizeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a stream and leaves its zero pages out: the data template is nearly all zeros. */
class SparseWriter {
  readonly #env: Env;
  readonly #handle: FileHandle;
  /** Less than one page that has not been written yet, which ends at the stream's end. */
  #rest: Bytes = new Uint8Array(0);
  #offset = 0;

  constructor(env: Env, handle: FileHandle) {
    this.#env = env;
    this.#handle = handle;
  }

  async write(chunk: Bytes): Promise<void> {
    const bytes = this.#rest.byteLength === 0 ? chunk : concat([this.#rest, chunk]);
    const whole = bytes.byteLength - (bytes.byteLength % PAGE_BYTES);
    let start = 0;
    while (start < whole) {
      const isHole = this.#isZeroPage(bytes, start);
      let end = start + PAGE_BYTES;
      while (end < whole && this.#isZeroPage(bytes, end) === isHole) end += PAGE_BYTES;
      if (!isHole) await this.#handle.write(bytes.subarray(start, end), this.#offset + start);
      start = end;
    }
    this.#offset += whole;
    this.#rest = bytes.slice(whole);
  }

  /** Writes what is left. The caller sets the file's length. */
  async finish(): Promise<void> {
    if (this.#rest.byteLength > 0) await this.#handle.write(this.#rest, this.#offset);
    this.#rest = new Uint8Array(0);
  }

  #isZeroPage(bytes: Bytes, start: number): boolean {
    return this.#env.compute.isZero(bytes.subarray(start, start + PAGE_BYTES));
  }
}

function corrupt(file: ImageFile, why: string): KelpieError {
  return new KelpieError(
    'image_corrupt',
    `The image's file ${file.name} arrived damaged: ${why}; fetch it again.`,
  );
}

/** An image of this host, as a source for `installImage` or as blobs of a store. @throws KelpieError like `imageByDigest` */
export async function exportImage(
  env: Env,
  home: string,
  digest: string,
): Promise<ImageSource & { readonly info: ImageInfo }> {
  const info = await imageByDigest(env, home, digest);
  const directory = imagePaths(home, digest).directory;
  return {
    info,
    description: encodeImageInfo(info),
    fetchFile: (name) => readChunks(env, `${directory}/${name}`),
  };
}

async function* readChunks(env: Env, path: string): AsyncGenerator<Bytes, void> {
  // Whole frames, so that a publisher need not copy what it packs.
  yield* chunksOf(await env.files.open(path, 'r'), () => env.compute.frameBuffer());
}
