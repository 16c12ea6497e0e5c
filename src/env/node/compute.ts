import { availableParallelism } from 'node:os';
import { NodeFileHandle } from './file-handle.ts';
import { frameWork } from './frame-work.ts';
import { crypto, zlib } from './late-modules.ts';
import * as sealing from './sealing.ts';
import { freeBytes, takeOver } from '../../base/bytes.ts';
import { KIB, PAGE_BYTES } from '../../base/units.ts';
import type { Bytes } from '../../base/bytes.ts';
import { FRAME_BYTES_MAX } from '../compute.ts';
import { writePlaces } from '../write-places.ts';
import type { Compute, InPlaceCompute, PureCompute } from '../compute.ts';
import type { FramePool } from './frame-pool.ts';

const zeros = Buffer.alloc(64 * KIB);
const zeroPage = zeros.subarray(0, PAGE_BYTES);

/** `Buffer.compare` is one memcmp: 0.3 µs for a page of zeros, where a loop over its words takes 1.2 µs and over its bytes 4.8 µs. */
function isZero(bytes: Bytes): boolean {
  if (bytes.byteLength === PAGE_BYTES) return Buffer.compare(bytes, zeroPage) === 0;
  for (let offset = 0; offset < bytes.byteLength; offset += zeros.byteLength) {
    const part = bytes.subarray(offset, offset + zeros.byteLength);
    if (Buffer.compare(part, zeros.subarray(0, part.byteLength)) !== 0) return false;
  }
  return true;
}

const pureCompute: PureCompute = {
  sha256: (bytes) => crypto().hash('sha256', bytes, 'hex'),
  sha256Hasher: () => {
    const running = crypto().createHash('sha256');
    return {
      update: (bytes) => void running.update(bytes),
      digest: () => running.digest('hex'),
    };
  },
  isZero,
  isEqual: (a, b) => a.byteLength === b.byteLength && Buffer.compare(a, b) === 0,
  crc32: (bytes, seed = 0) => zlib().crc32(bytes, seed),
  hkdfSha256: sealing.hkdfSha256,
  seal: (plain, seal) => sealing.seal(plain, seal),
  open: (sealed, seal) => sealing.open(sealed, seal),
  ed25519PublicKey: sealing.ed25519PublicKey,
  ed25519Sign: sealing.ed25519Sign,
  ed25519Verify: sealing.ed25519Verify,
};

/** What the simulator computes with. */
export function createInPlaceCompute(): InPlaceCompute {
  return { ...pureCompute, frames: frameWork };
}

/** More threads would take memory from VMs, and no store takes what four pack. */
const FRAME_THREADS_MAX = 4;
/** A second frame lies ready when the first is done: its thread need not wait for ours. */
const FRAMES_PER_THREAD = 2;

/** The threads are loaded with the first frame: a command that has none starts sooner. */
export function createNodeCompute(): Compute {
  const threadsMax = Math.min(availableParallelism(), FRAME_THREADS_MAX);
  let pool: Promise<FramePool> | null = null;
  let loaded: FramePool | null = null;
  const load = async (): Promise<FramePool> => {
    try {
      const module = await import('./frame-pool.ts');
      loaded = new module.FramePool({ threadsMax, threadJobsMax: FRAMES_PER_THREAD });
      return loaded;
    } catch (error) {
      // The next call tries again: there may have been no file descriptor for it.
      pool = null;
      throw error;
    }
  };
  const framePool = (): Promise<FramePool> => (pool ??= load());
  return {
    ...pureCompute,
    framesAtOnce: threadsMax * FRAMES_PER_THREAD,
    prepareFrames: () => {
      framePool().then(
        (frames) => frames.prepare(),
        // The call that needs it tries again, and tells.
        () => undefined,
      );
    },
    frameBuffer: () => loaded?.takeBuffer() ?? new Uint8Array(FRAME_BYTES_MAX),
    packFrame: async (raw, seal) => {
      const taken = takeOver(raw);
      return await (await framePool()).pack(taken, seal);
    },
    unpackFrame: async ({ bytes, codec, sha256 }, rawBytes, seal) => {
      const taken = { bytes: takeOver(bytes), codec, sha256 };
      return await (await framePool()).unpack(taken, rawBytes, seal);
    },
    unpackFrameTo: async ({ file, places }, { bytes, codec, sha256 }, rawBytes, seal) => {
      const taken = { bytes: takeOver(bytes), codec, sha256 };
      const frames = await framePool();
      if (file instanceof NodeFileHandle) {
        await frames.unpackTo({ file, places }, taken, rawBytes, seal);
        return;
      }
      const raw = await frames.unpack(taken, rawBytes, seal);
      await writePlaces({ file, places }, raw);
      freeBytes(raw);
    },
  };
}
