import { assert, defined } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import type { FrameTarget } from './compute.ts';
import { BATCH_EXTENTS_MAX } from './files.ts';
import type { Extent } from './files.ts';

/** The second half of `Compute.unpackFrameTo`, for files that only their own calls can write. Places that follow each other in the frame are one batch. */
export async function writePlaces({ file, places }: FrameTarget, raw: Bytes): Promise<void> {
  for (let index = 0; index < places.length;) {
    const { start } = defined(places[index], 'the first place of a batch');
    const extents: Extent[] = [];
    let end = start;
    for (
      let place = places[index];
      place?.start === end && extents.length < BATCH_EXTENTS_MAX;
      place = places[index]
    ) {
      extents.push({ offset: place.offset, length: place.length });
      end += place.length;
      index += 1;
    }
    assert(end <= raw.byteLength, 'a place lies inside its frame');
    await file.writeBatch(extents, raw.subarray(start, end));
  }
}
