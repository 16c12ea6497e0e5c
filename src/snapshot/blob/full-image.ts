/** A memory that comes with its zeros: its pages without them. */
import { PAGE_BYTES } from '../../base/units.ts';
import { BLOB_FRAME_PAGES_MAX } from './limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Compute } from '../../env/compute.ts';
import type { Extent } from '../../env/files.ts';
import type { PageBatch } from '../page-reader.ts';
import type { PartReader } from './part-reader.ts';

const WINDOW_BYTES: number = BLOB_FRAME_PAGES_MAX * PAGE_BYTES;

/** @param sizeBytes of whole pages. */
export async function readFullImage(
  reader: Pick<PartReader, 'readInto'>,
  sizeBytes: number,
  compute: Pick<Compute, 'isZero'>,
  put: (batch: PageBatch) => Promise<void>,
): Promise<void> {
  const buffer = new Uint8Array(WINDOW_BYTES);
  for (let offset = 0; offset < sizeBytes; offset += WINDOW_BYTES) {
    const window = buffer.subarray(0, Math.min(WINDOW_BYTES, sizeBytes - offset));
    await reader.readInto(window);
    const batch = withoutZeros(window, offset, compute);
    if (batch.extents.length > 0) await put(batch);
  }
}

/** Moves the pages that are not zero to the front of `window`, which begins at `windowOffset` of the memory. */
function withoutZeros(window: Bytes, windowOffset: number, compute: Pick<Compute, 'isZero'>): PageBatch {
  const extents: Extent[] = [];
  let kept = 0;
  let last: { offset: number; length: number } | null = null;
  for (let at = 0; at < window.byteLength; at += PAGE_BYTES) {
    if (compute.isZero(window.subarray(at, at + PAGE_BYTES))) continue;
    if (kept < at) window.copyWithin(kept, at, at + PAGE_BYTES);
    kept += PAGE_BYTES;
    if (last !== null && last.offset + last.length === windowOffset + at) last.length += PAGE_BYTES;
    else {
      last = { offset: windowOffset + at, length: PAGE_BYTES };
      extents.push(last);
    }
  }
  return { extents, bytes: window.subarray(0, kept) };
}
