import { takeOver } from '../../src/base/bytes.ts';
import { createInPlaceCompute } from '../../src/env/node/compute.ts';
import type { Compute } from '../../src/env/compute.ts';

/** The real work on frames, without threads: for tests with thousands of small frames, and in one order always. */
export function quickCompute(): Compute {
  const { frames, ...pure } = createInPlaceCompute();
  return {
    ...pure,
    framesAtOnce: 4,
    prepareFrames: () => undefined,
    packFrame: async (raw, seal) => frames.pack(takeOver(raw), seal),
    unpackFrame: async ({ bytes, ...facts }, rawBytes, seal) =>
      frames.unpack({ ...facts, bytes: takeOver(bytes) }, rawBytes, seal),
  };
}
