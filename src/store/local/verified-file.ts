/** Streams into and out of files, with the digest computed on the way. */
import type { Bytes } from '../../base/bytes.ts';
import { throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError, asKelpieError } from '../../base/errors.ts';
import { OneInFlight } from '../../base/one-in-flight.ts';
import type { Env } from '../../env/env.ts';
import type { FileHandle } from '../../env/files.ts';
import { isSystemError } from '../../env/system-error.ts';
import { STREAM_CHUNK_BYTES } from '../limits.ts';
import type { BlobReference, TransferOptions } from '../teleport-storage.ts';

type StreamEnv = Pick<Env, 'files' | 'compute'>;

/**
 * Writes a stream to a new file, durably but for its name, and returns its digest. While one chunk is written the next is
 * hashed and fetched.
 * @throws KelpieError `snapshot_corrupt` when the stream has not `sizeBytes`, `canceled`, what the stream throws; SystemError
 * for the file's part.
 */
export async function writeStream(
  env: StreamEnv,
  path: string,
  source: { readonly name: string; readonly sizeBytes: number; readonly bytes: () => AsyncIterable<Bytes> },
  { signal, onProgress }: TransferOptions,
): Promise<string> {
  const hasher = env.compute.sha256Hasher();
  const target = await env.files.open(path, 'wx');
  const writes = new OneInFlight();
  let doneBytes = 0;
  try {
    for await (const chunk of ownFailures(source.bytes(), source.name)) {
      throwIfCanceled(signal, `publishing ${source.name}`);
      const offset = doneBytes;
      doneBytes += chunk.byteLength;
      if (doneBytes > source.sizeBytes) break;
      await writes.begin(async () => await target.write(chunk, offset));
      hasher.update(chunk);
      onProgress?.({ item: source.name, doneBytes, totalBytes: source.sizeBytes });
    }
    if (doneBytes !== source.sizeBytes) throw wrongLength(source.name);
    await writes.end();
    throwIfCanceled(signal, `publishing ${source.name}`);
    await target.sync();
    return hasher.digest();
  } catch (error) {
    await writes.abandon();
    throw error;
  } finally {
    await target.close();
  }
}

/**
 * The bytes of a file whose length and digest are known. The last chunk may be followed by `package_corrupt`: nothing is to
 * be used before the iteration has ended. While one chunk is used the next is read.
 */
export async function* readVerified(
  env: StreamEnv,
  path: string,
  expected: BlobReference,
  { signal, onProgress }: TransferOptions,
): AsyncGenerator<Bytes> {
  const file = await env.files.open(path, 'r');
  const reads = new OneInFlight();
  const hasher = env.compute.sha256Hasher();
  let ahead: Bytes = new Uint8Array(0);
  const readAhead = async (offset: number): Promise<void> =>
    await reads.begin(async () => {
      ahead = await readSome(file, offset, Math.min(STREAM_CHUNK_BYTES, expected.sizeBytes - offset));
    });
  try {
    const { sizeBytes } = await file.stat();
    if (sizeBytes !== expected.sizeBytes)
      throw damaged(expected.name, `it has ${sizeBytes} of ${expected.sizeBytes} bytes`);
    let doneBytes = 0;
    if (doneBytes < expected.sizeBytes) await readAhead(0);
    while (doneBytes < expected.sizeBytes) {
      throwIfCanceled(signal, `fetching ${expected.name}`);
      await reads.end();
      const chunk = ahead;
      if (chunk.byteLength === 0) throw damaged(expected.name, 'it ends too early');
      doneBytes += chunk.byteLength;
      if (doneBytes < expected.sizeBytes) await readAhead(doneBytes);
      hasher.update(chunk);
      onProgress?.({ item: expected.name, doneBytes, totalBytes: expected.sizeBytes });
      yield chunk;
    }
    if (hasher.digest() !== expected.sha256) throw damaged(expected.name, 'its digest is wrong');
  } finally {
    await reads.abandon();
    await file.close();
  }
}

async function readSome(file: FileHandle, offset: number, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, await file.read(bytes, offset));
}

/** Failures of the source are told as its own, so that they are not taken for the store's. */
async function* ownFailures(bytes: AsyncIterable<Bytes>, name: string): AsyncGenerator<Bytes> {
  try {
    yield* bytes;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw asKelpieError(error, 'io_failed', `cannot read ${name} to publish it: ${error.message}.`);
  }
}

function wrongLength(name: string): KelpieError {
  return new KelpieError(
    'snapshot_corrupt',
    `cannot publish ${name}: it has not as many bytes as it should have.`,
  );
}

function damaged(name: string, reason: string): KelpieError {
  return new KelpieError('package_corrupt', `${name} in the store is damaged: ${reason}.`);
}
