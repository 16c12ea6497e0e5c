import type { Bytes } from '../base/bytes.ts';

/** What of a call was not what it should be. */
export type AgePart = 'recipient' | 'identity' | 'file';

/** The format refuses something. Raised by `Age` only, and translated by whoever knows where it comes from. */
export class AgeRefused extends Error {
  readonly part: AgePart;

  constructor(part: AgePart, cause?: unknown) {
    super(`this is no ${part} of age`, cause === undefined ? undefined : { cause });
    this.name = 'AgeRefused';
    this.part = part;
  }
}

/** Bounds, so that what is not trusted costs little. */
export const AGE_FILE_BYTES_MAX: number = 64 * 1024;
export const AGE_RECIPIENTS_MAX = 64;

/**
 * Short secrets for people and hosts, encrypted in the format of age (age-encryption.org/v1) to X25519 recipients. It says nothing of
 * who encrypted: whoever knows a recipient can encrypt to it.
 */
export interface Age {
  /** A new private key, `AGE-SECRET-KEY-1…`. */
  createIdentity(): Promise<string>;
  /** The public key, `age1…`, of a private one. @throws AgeRefused */
  recipientOf(identity: string): Promise<string>;
  /** @param recipients 1 … `AGE_RECIPIENTS_MAX`, any of whom can read it. @throws AgeRefused */
  encrypt(plain: Bytes, recipients: readonly string[]): Promise<Bytes>;
  /**
   * @returns null when it is not encrypted to any of `identities`.
   * @throws AgeRefused for an identity that is none, and for a file that is damaged or larger than `AGE_FILE_BYTES_MAX`.
   */
  decrypt(file: Bytes, identities: readonly string[]): Promise<Bytes | null>;
}
