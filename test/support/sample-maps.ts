/** Arbitrary maps of what lies where in a store, for properties. */
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { PAGE_BYTES } from '../../src/base/units.ts';
import { readUuid } from '../../src/base/uuid.ts';
import type { PureCompute } from '../../src/env/compute.ts';
import { PACK_FRAMES_MAX } from '../../src/store/packages/limits.ts';
import { PACK_HEADER_BYTES } from '../../src/store/packages/pack-header.ts';
import { StoreMapBuilder } from '../../src/store/packages/store-map-builder.ts';
import type { FrameInfo, StoreMap } from '../../src/store/packages/store-map.ts';

export const sha256Compute: Pick<PureCompute, 'sha256'> = {
  sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
};

/** The session with a small number. */
export function sampleSession(number: number): string {
  const bytes = new Uint8Array(16).fill(0xab);
  new DataView(bytes.buffer).setUint32(12, number);
  return readUuid(bytes, 0);
}

/** A frame of `pages` pages at a place, of which nothing is really there. */
export function sampleFrame(
  { session, pack, number }: { session: number; pack: number; number: number },
  pages: number,
): FrameInfo {
  return {
    pack: { session: sampleSession(session), number: pack },
    number,
    offset: PACK_HEADER_BYTES + number * 5000,
    storedBytes: 1000 + pages,
    rawBytes: pages * PAGE_BYTES,
    codec: pages % 2 === 0 ? 'zstd' : 'stored',
    sha256: sha256Compute.sha256(new Uint8Array([session, pack, number])),
  };
}

export const frames: fc.Arbitrary<readonly FrameInfo[]> = fc.uniqueArray(
  fc
    .record({
      session: fc.nat(2),
      pack: fc.nat(2),
      number: fc.nat(PACK_FRAMES_MAX - 1),
    })
    // One place has one frame, also when it is drawn for two maps.
    .map((place) => sampleFrame(place, 1 + ((place.session + place.pack + place.number) % 6))),
  { maxLength: 8, selector: ({ pack, number }) => `${pack.session}/${pack.number}/${number}` },
);

/** For each page null, or which page of which frame. */
export type Places = readonly (readonly [FrameInfo, number] | null)[];

export const places: fc.Arbitrary<Places> = frames.chain((all) =>
  fc.array(
    all.length === 0
      ? fc.constant(null)
      : fc.oneof(
          { weight: 1, arbitrary: fc.constant(null) },
          {
            weight: 4,
            arbitrary: fc
              .tuple(fc.constantFrom(...all), fc.nat(5))
              .map(([frame, page]) => [frame, page % (frame.rawBytes / PAGE_BYTES)] as const),
          },
        ),
    { minLength: 1, maxLength: 30 },
  ),
);

export function mapOfPlaces(wanted: Places): StoreMap {
  const builder = new StoreMapBuilder(wanted.length);
  for (const [page, place] of wanted.entries()) {
    if (place !== null) builder.append(page, 1, builder.frame(place[0]), place[1]);
  }
  return builder.finish();
}

/** The same, read back page by page. */
export function placesOfMap(map: StoreMap): Places {
  return Array.from({ length: map.pageCount }, (_, page) => {
    const found = map.find(page);
    const frame = found === null ? undefined : map.frames[found.frame];
    return found === null || frame === undefined ? null : ([frame, found.framePage] as const);
  });
}
