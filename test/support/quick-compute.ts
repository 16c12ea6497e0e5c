import { takeOver } from '../../src/base/bytes.ts';
import { createInPlaceCompute } from '../../src/env/node/compute.ts';
import { FRAME_BYTES_MAX } from '../../src/env/compute.ts';
import { writePlaces } from '../../src/env/write-places.ts';
import type { Compute } from '../../src/env/compute.ts';

/** The real work on frames, without threads: for tests with thousands of small frames, and in one order always. */
export function quickCompute(): Compute {
  const { frames, ...pure } = createInPlaceCompute();
  const unpackFrame: Compute['unpackFrame'] = async ({ bytes, ...facts }, rawBytes, seal) =>
    frames.unpack({ ...facts, bytes: takeOver(bytes) }, rawBytes, seal);
  return {
    ...pure,
    framesAtOnce: 4,
    prepareFrames: () => undefined,
    // Not zeros, so that nobody takes them for any.
    frameBuffer: () => new Uint8Array(FRAME_BYTES_MAX).fill(0xa5),
    packFrame: async (raw, seal) => frames.pack(takeOver(raw), seal),
    unpackFrame,
    unpackFrameTo: async (target, ...frame) => await writePlaces(target, await unpackFrame(...frame)),
  };
}
