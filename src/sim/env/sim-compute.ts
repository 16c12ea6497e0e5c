import { takeOver } from '../../base/bytes.ts';
import { FRAME_BYTES_MAX } from '../../env/compute.ts';
import type { Compute } from '../../env/compute.ts';
import { writePlaces } from '../../env/write-places.ts';
import type { SimProcess } from '../process.ts';

const FRAMES_AT_ONCE = 4;
/** Simulated milliseconds that a frame takes. */
const PACK_COST_MS = 2;
const UNPACK_COST_MS = 0.8;

/** Computes at once; the answer about a frame comes with a later step. */
export function createSimCompute(process: SimProcess): Compute {
  const { frames, ...pure } = process.machine.compute;
  const unpackFrame: Compute['unpackFrame'] = ({ bytes, codec, sha256 }, rawBytes, seal) => {
    const taken = { bytes: takeOver(bytes), codec, sha256 };
    const unpack = () => frames.unpack(taken, rawBytes, seal);
    return process.call('compute.unpackFrame', unpack, { costMs: UNPACK_COST_MS });
  };
  return {
    ...pure,
    framesAtOnce: FRAMES_AT_ONCE,
    prepareFrames: () => undefined,
    // Not zeros, so that nobody takes them for any.
    frameBuffer: () => new Uint8Array(FRAME_BYTES_MAX).fill(0xa5),
    packFrame: (raw, seal) => {
      const taken = takeOver(raw);
      const pack = () => frames.pack(taken, seal);
      return process.call('compute.packFrame', pack, { costMs: PACK_COST_MS });
    },
    unpackFrame,
    unpackFrameTo: async (target, ...frame) => await writePlaces(target, await unpackFrame(...frame)),
  };
}
