/** Objects of any size through memory of a bounded size: written in parts, read in ranges, the next while the last is used. */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { OneInFlight } from '../../base/one-in-flight.ts';
import { MIB } from '../../base/units.ts';
import type { ActOptions, ETag, ObjectStore, Upload, UploadedPart } from './object-store.ts';
import { changedObject } from './told-troubles.ts';

/** Measured against a local service: smaller parts cost requests, larger ones only memory. */
export const LARGE_PART_BYTES: number = 8 * MIB;

/**
 * Makes or replaces an object by the bytes of a stream; what fits one part is put as such. Holds two parts at a time. After a failure
 * there is no such object, or the old one, and the upload is aborted where the store answers.
 */
export async function writeLargeObject(
  store: ObjectStore,
  key: string,
  bytes: AsyncIterable<Bytes>,
  options: ActOptions = {},
): Promise<void> {
  let upload: Upload | null = null;
  const parts: UploadedPart[] = [];
  const puts = new OneInFlight();
  const putNext = async (to: Upload, part: Bytes, number: number): Promise<void> =>
    await puts.begin(async () => void parts.push(await store.putPart(to, number, part, options)));
  try {
    let number = 0;
    for await (const { part, isLast } of partsOf(bytes)) {
      if (isLast && number === 0) {
        await store.put(key, part, options);
        return;
      }
      upload ??= await store.startUpload(key, LARGE_PART_BYTES, options);
      number += 1;
      await putNext(upload, part, number);
    }
    await puts.end();
    assert(upload !== null, 'a stream of several parts began an upload');
    await store.completeUpload(upload, parts, options);
  } catch (error) {
    await puts.abandon();
    // The failure is what matters; an upload that cannot be aborted is found by `listUploads`.
    if (upload !== null) await Promise.allSettled([store.abortUpload(upload)]);
    throw error;
  }
}

/**
 * The bytes of an object, or null when there is none. While one range is used the next is fetched.
 * @throws StoreTrouble `changed` from the iteration when the object is replaced meanwhile.
 */
export async function readLargeObject(
  store: ObjectStore,
  key: string,
  options: ActOptions = {},
): Promise<{ readonly sizeBytes: number; readonly bytes: AsyncIterable<Bytes> } | null> {
  const info = await store.head(key, options);
  if (info === null) return null;
  return { sizeBytes: info.sizeBytes, bytes: ranges(store, key, info, options) };
}

async function* ranges(
  store: ObjectStore,
  key: string,
  { sizeBytes, etag }: { readonly sizeBytes: number; readonly etag: ETag },
  options: ActOptions,
): AsyncGenerator<Bytes> {
  const gets = new OneInFlight();
  let fetched: Bytes = new Uint8Array(0);
  const fetchFrom = async (offset: number): Promise<void> =>
    await gets.begin(async () => {
      const range = { offset, length: Math.min(LARGE_PART_BYTES, sizeBytes - offset) };
      const object = await store.get(key, { ...options, range, etag });
      if (object?.bytes.byteLength !== range.length) throw changedObject(key);
      fetched = object.bytes;
    });
  try {
    for (let offset = 0; offset < sizeBytes;) {
      if (offset === 0) await fetchFrom(0);
      await gets.end();
      const chunk = fetched;
      offset += chunk.byteLength;
      if (offset < sizeBytes) await fetchFrom(offset);
      yield chunk;
    }
  } finally {
    await gets.abandon();
  }
}

/** Cuts a stream into parts of one size; the last may be shorter, and is empty only when the stream is. */
async function* partsOf(
  bytes: AsyncIterable<Bytes>,
): AsyncGenerator<{ readonly part: Bytes; readonly isLast: boolean }> {
  let part = new Uint8Array(LARGE_PART_BYTES);
  let filled = 0;
  for await (const chunk of bytes) {
    for (let taken = 0; taken < chunk.byteLength;) {
      // A full part is only passed on when more follows: so the last one is known.
      if (filled === LARGE_PART_BYTES) {
        yield { part, isLast: false };
        part = new Uint8Array(LARGE_PART_BYTES);
        filled = 0;
      }
      const piece = chunk.subarray(taken, taken + LARGE_PART_BYTES - filled);
      part.set(piece, filled);
      filled += piece.byteLength;
      taken += piece.byteLength;
    }
  }
  yield { part: part.subarray(0, filled), isLast: true };
}
