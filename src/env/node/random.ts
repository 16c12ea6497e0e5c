import { bare } from './bare.ts';
import { crypto } from './late-modules.ts';
import type { Random } from '../random.ts';

export function createNodeRandom(): Random {
  return {
    bytes: (length) => bare(crypto().randomBytes(length)),
    uuid: () => crypto().randomUUID(),
    fraction: () => Math.random(),
  };
}
