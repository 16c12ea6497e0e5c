/**
 * What encryption and signatures do for packages. `store/keys` implements it for a store that has keys; `plainSealing` is that
 * of a store without.
 */
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import type { FrameSeal } from '../../env/compute.ts';
import type { Random } from '../../env/random.ts';
import type { PackName } from './pack-name.ts';

/** The part of a document that only the store's recipients can read. */
export interface SealedBytes {
  /** Which of the store's keys; opaque here, of `A–Z a–z 0–9 . _ -`, at most 64. */
  readonly keyId: string;
  /** Drawn anew for each document; hexadecimal, at most 128 digits. */
  readonly salt: string;
  readonly bytes: Bytes;
}

export interface ManifestSignature {
  /** As people write it in a list of whom they trust; opaque here, of printable ASCII without spaces, at most 200. */
  readonly publicKey: string;
  /** Hexadecimal, at most 2048 digits. */
  readonly value: string;
}

export interface DocumentSealer {
  readonly isEncrypted: boolean;
  /** @param bound what is not secret but must not be changed: it has to be the same when the bytes are opened. Only called when `isEncrypted`. */
  seal(plain: Bytes, bound: Bytes): SealedBytes;
  /** @throws KelpieError `package_corrupt`, `permission_denied` (sealed for others). */
  open(sealed: SealedBytes, bound: Bytes): Bytes;
  /** Null when this host signs nothing. */
  sign(message: Bytes): ManifestSignature | null;
  /**
   * @param signature null when the manifest has none.
   * @returns the public key of whoever signed; null when nobody did and none need have.
   * @throws KelpieError `package_corrupt` when the signature is not right, `permission_denied` when it is not there, or not of whom this host trusts.
   */
  verify(message: Bytes, signature: ManifestSignature | null): string | null;
}

export interface PackageSealing extends DocumentSealer {
  /** How many can read what is sealed; null in a plain store, and where this host may not know. */
  readonly recipientCount: number | null;
  /** A UUID for a publish, never used before. In an encrypted store it also says which of the keys its packs are sealed with: no other will do. */
  newSession(random: Random): string;
  /** How frame `number` of a pack is sealed, and opened; null in a plain store. One place is sealed once. */
  frameSeal(pack: PackName, number: number): FrameSeal | null;
}

const PROBE: Bytes = new Uint8Array(0);

/**
 * Signed by nobody whom this host trusts, a package would be refused here too: that is told before anything is sent.
 * @throws KelpieError `permission_denied`, and why this host may not publish.
 */
export function requirePublisher(sealing: DocumentSealer): void {
  sealing.verify(PROBE, sealing.sign(PROBE));
}

/** Of a store without keys, on a host that signs nothing and trusts everybody. */
export const plainSealing: PackageSealing = {
  isEncrypted: false,
  recipientCount: null,
  newSession: (random) => random.uuid(),
  frameSeal: () => null,
  seal: () => refuse(),
  open: () => refuse(),
  sign: () => null,
  // Signatures mean nothing without a list of whom to trust; who wants to know calls `store/keys`.
  verify: () => null,
};

function refuse(): never {
  const message =
    'this package is sealed, and the store has no keys: it was copied here without its store.json.';
  throw new KelpieError('permission_denied', message);
}
