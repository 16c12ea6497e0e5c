import type { Bytes } from '../base/bytes.ts';

/** Randomness: the system's generator in production, a seeded and splittable one in simulation. */
export interface Random {
  /** `length` random bytes, fit for keys and nonces in production. */
  bytes(length: number): Bytes;
  /** A version 4 UUID. */
  uuid(): string;
  /** A number in [0, 1), for jitter. */
  fraction(): number;
}
