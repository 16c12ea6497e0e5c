import { randomBytes, randomUUID } from 'node:crypto';
import type { Random } from '../random.ts';

export function createNodeRandom(): Random {
  return {
    bytes: (length) => randomBytes(length),
    uuid: () => randomUUID(),
    fraction: () => Math.random(),
  };
}
