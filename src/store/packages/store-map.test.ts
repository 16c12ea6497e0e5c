import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, hex } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import {
  mapOfPlaces,
  places,
  placesOfMap,
  sampleFrame,
  sampleSession,
  sha256Compute,
} from '../../../test/support/sample-maps.ts';
import { compareFrames, packsOf } from './frame-table.ts';
import { PACK_BYTES_MAX } from './limits.ts';
import { StoreMapBuilder } from './store-map-builder.ts';
import { decodeStoreMap, encodeStoreMap } from './store-map-codec.ts';
import { StoreMap } from './store-map.ts';
import type { FrameInfo } from './store-map.ts';

const encode = (map: StoreMap): Bytes => encodeStoreMap(map, sha256Compute);
const decode = (bytes: Bytes): StoreMap => decodeStoreMap(bytes, sha256Compute);

/** The bytes with a digest that is right for them: what is left is what the other checks must find. */
function resealed(bytes: Bytes): Bytes {
  const sealed = bytes.slice();
  const digestOffset = sealed.byteLength - 32;
  sealed.set(fromHex(sha256Compute.sha256(sealed.subarray(0, digestOffset))), digestOffset);
  return sealed;
}

function refused(
  bytes: Bytes,
  reason: RegExp = /^a map of the package (?:cannot be used: |is of format )/,
): void {
  assert.throws(
    () => decode(bytes),
    (error) => isKelpieError(error, 'package_corrupt', 'package_too_new') && reason.test(error.message),
  );
}

const sample = mapOfPlaces([
  [sampleFrame({ session: 1, pack: 0, number: 0 }, 4), 0],
  [sampleFrame({ session: 1, pack: 0, number: 0 }, 4), 1],
  null,
  [sampleFrame({ session: 1, pack: 0, number: 1 }, 2), 1],
  [sampleFrame({ session: 0, pack: 7, number: 3 }, 5), 4],
]);

/** A map whose one frame is not as it should be. */
function withFrame(change: Partial<FrameInfo>, run: { count?: number; framePage?: number } = {}): Bytes {
  const frame = { ...sampleFrame({ session: 1, pack: 0, number: 0 }, 4), ...change };
  return encode(
    new StoreMap(10, [frame], {
      first: Uint32Array.of(3),
      count: Uint32Array.of(run.count ?? 1),
      frame: Uint32Array.of(0),
      framePage: Uint32Array.of(run.framePage ?? 0),
    }),
  );
}

describe('StoreMap', () => {
  it('says of each page what was appended, joined and in order, and survives its encoding', () => {
    fc.assert(
      fc.property(places, (wanted) => {
        const map = mapOfPlaces(wanted);
        assert.deepEqual(placesOfMap(map), wanted);
        const runs = [...map.runs()];
        for (const [index, run] of runs.entries()) {
          const next = runs[index + 1];
          const isOne =
            next?.firstPage === run.firstPage + run.count &&
            next.frame === run.frame &&
            next.framePage === run.framePage + run.count;
          assert.ok(!isOne, 'adjacent runs are joined');
        }
        assert.deepEqual(new Set(runs.map(({ frame }) => frame)), new Set(map.frames.keys()));
        assert.deepEqual(map.frames.toSorted(compareFrames), map.frames);
        const bytes = encode(map);
        const decoded = decode(bytes);
        assert.deepEqual(placesOfMap(decoded), wanted);
        assert.deepEqual(encode(decoded), bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('names the packs of its frames once, in order', () => {
    assert.deepEqual(packsOf(sample.frames), [
      { session: sampleSession(0), number: 7 },
      { session: sampleSession(1), number: 0 },
    ]);
  });

  it('is small when it is not fragmented: below 1 MB for 4 GiB', () => {
    const pages = 2 ** 20;
    const builder = new StoreMapBuilder(pages);
    for (let page = 0; page < pages; page += 256) {
      const number = page / 256;
      const frame = sampleFrame({ session: 1, pack: Math.floor(number / 16), number: number % 16 }, 256);
      builder.append(page, 256, builder.frame(frame), 0);
    }
    assert.ok(encode(builder.finish()).byteLength < 500_000);
  });

  it('is written to the layout of docs/FORMAT.md', () => {
    const map = mapOfPlaces([null, [sampleFrame({ session: 1, pack: 2, number: 3 }, 4), 1]]);
    const session = 'abababababababababababab00000001';
    const digest = sha256Compute.sha256(Uint8Array.of(1, 2, 3));
    const header = ['4b4c534d', '01000000', '02000000', '01000000', '01000000', '01000000'].join('');
    // One frame in the pack, number 3, 15,000 bytes after the header, 1004 stored, 16,384 raw, zstd; a gap of 1, 1 page, frame 0, page 1.
    const columns = ['00', '03', '9875', 'eb07', 'ff7f', '01', '01', '00', '00', '02'].join('');
    const bytes = encode(map);
    assert.equal(hex(bytes.subarray(0, -32)), `${header}${session}02000000${digest}${columns}`);
    assert.deepEqual(decode(bytes), map);
  });
});

describe('decodeStoreMap', () => {
  const bytes = encode(sample);

  it('refuses every truncation, every byte more, and every change of a byte', () => {
    for (let length = 0; length < bytes.byteLength; length += 1) refused(bytes.subarray(0, length));
    refused(Uint8Array.of(...bytes, 0));
    for (let index = 0; index < bytes.byteLength; index += 1) {
      const flipped = bytes.slice();
      flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
      refused(flipped);
    }
  });

  it('gives, for any bytes with a right digest, a map that is encoded to these bytes, or refuses', () => {
    for (let index = 0; index < bytes.byteLength - 32; index += 1) {
      for (let value = 0; value < 256; value += 1) {
        const changed = bytes.slice();
        changed[index] = value;
        const candidate = resealed(changed);
        let map: StoreMap;
        try {
          map = decode(candidate);
        } catch (error) {
          assert.ok(isKelpieError(error, 'package_corrupt', 'package_too_new'), String(error));
          continue;
        }
        assert.deepEqual(encode(map), candidate);
        if (map.pageCount < 1000) placesOfMap(map);
      }
    }
  });

  it('does not allocate what a header alone asks for', () => {
    const header = bytes.slice(0, 56);
    for (const field of [12, 16, 20]) {
      const huge = header.slice();
      new DataView(huge.buffer).setUint32(field, 2 ** 16, true);
      refused(resealed(huge), /shorter than its tables/);
      new DataView(huge.buffer).setUint32(field, 2 ** 32 - 1, true);
      refused(resealed(huge), /out of bounds|too long/);
    }
  });

  it('says that a newer format is newer', () => {
    const newer = bytes.slice();
    newer[4] = 2;
    refused(resealed(newer), /is of format 2; this Kelpie reads up to 1: update it\.$/);
  });

  it('refuses what lies outside', () => {
    decode(withFrame({}));
    refused(withFrame({ storedBytes: 2 ** 21 }), /a frame is too long/);
    refused(withFrame({ rawBytes: 2 ** 20 + PAGE_BYTES }), /a frame is too long/);
    refused(withFrame({ rawBytes: PAGE_BYTES + 1 }), /not of whole pages/);
    refused(withFrame({ offset: PACK_BYTES_MAX - 5 }), /outside its pack/);
    refused(withFrame({ offset: 2 ** 32 - 1 }), /outside its pack/);
    refused(withFrame({ number: 16 }), /number that its pack cannot have/);
    refused(withFrame({}, { count: 5 }), /outside its frame/);
    refused(withFrame({}, { framePage: 4 }), /outside its frame/);
    refused(withFrame({}, { framePage: 2 ** 31 - 1 }), /outside its frame/);
    refused(withFrame({}, { count: 8 }), /a run lies outside/);
    refused(withFrame({}, { count: 2 ** 31 }), /a run/);
  });

  it('refuses frames that nobody uses, or that are not there', () => {
    const frames = [
      sampleFrame({ session: 1, pack: 0, number: 0 }, 4),
      sampleFrame({ session: 1, pack: 0, number: 1 }, 4),
    ];
    const columns = (frame: number): ConstructorParameters<typeof StoreMap>[2] => ({
      first: Uint32Array.of(0),
      count: Uint32Array.of(1),
      frame: Uint32Array.of(frame),
      framePage: Uint32Array.of(0),
    });
    refused(encode(new StoreMap(10, frames, columns(1))), /does not use/);
    refused(encode(new StoreMap(10, frames, columns(2))), /not in the table/);
  });

  it('cannot say that frames of a pack overlap', () => {
    const first = sampleFrame({ session: 1, pack: 0, number: 0 }, 4);
    const second = { ...sampleFrame({ session: 1, pack: 0, number: 1 }, 4), offset: first.offset + 1 };
    const columns = {
      first: Uint32Array.of(0, 1),
      count: Uint32Array.of(1, 1),
      frame: Uint32Array.of(0, 1),
      framePage: Uint32Array.of(0, 0),
    };
    assert.throws(() => encode(new StoreMap(10, [first, second], columns)), /assertion failed/);
    assert.throws(() => encode(new StoreMap(10, [second, first], columns)), /assertion failed/);
  });
});

describe('StoreMapBuilder', () => {
  it('refuses what our own code may not do', () => {
    const builder = new StoreMapBuilder(10);
    const frame = builder.frame(sampleFrame({ session: 1, pack: 0, number: 0 }, 4));
    builder.append(2, 2, frame, 0);
    assert.throws(() => builder.append(3, 1, frame, 0), /ascending/);
    assert.throws(() => builder.append(9, 2, frame, 0), /inside the map/);
    assert.throws(() => builder.append(5, 2, frame, 3), /inside its frame/);
    assert.throws(() => builder.append(5, 1, frame + 1, 0), /frame of a run is missing/);
    assert.throws(() => new StoreMapBuilder(0), /within bounds/);
  });
});
