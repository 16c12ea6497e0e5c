import { uuidFromBytes } from '../uuid.ts';
import type { Random } from '../../env/random.ts';
import type { Prng } from '../prng.ts';

/** A process's randomness, from a stream of its own. */
export function createSimRandom(random: Prng): Random {
  return {
    bytes: (length) => random.bytes(length),
    uuid: () => uuidFromBytes(random.bytes(16)),
    fraction: () => random.fraction(),
  };
}
