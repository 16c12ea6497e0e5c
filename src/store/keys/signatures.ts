/**
 * Ed25519 signatures, and whom a host trusts. Public keys are written `ed25519:` and 64 hexadecimal digits, so that they can be told over
 * the phone, and lists of them compared.
 */
import { fromHex, hex, utf8, concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { ED25519_KEY_BYTES } from '../../env/compute.ts';
import type { PureCompute } from '../../env/compute.ts';
import type { Random } from '../../env/random.ts';

export interface Signature {
  /** `ed25519:…` */
  readonly publicKey: string;
  /** Hexadecimal. */
  readonly value: string;
}

export interface SigningKey {
  readonly publicKey: string;
  /** The private key. */
  readonly seed: Bytes;
}

/** What is signed: a signature of one kind is none of another. */
export type SignedKind = 'manifest' | 'store keys';

type Signer = Pick<PureCompute, 'ed25519PublicKey' | 'ed25519Sign'>;
type Verifier = Pick<PureCompute, 'ed25519Verify'>;

const PUBLIC_KEY = /^ed25519:(?<key>[0-9a-f]{64})$/;
const SIGNATURE = /^[0-9a-f]{128}$/;

/** The bytes of a public key as people write it; null when it is none. */
export function parsePublicKey(text: string): Bytes | null {
  const key = PUBLIC_KEY.exec(text)?.groups?.['key'];
  return key === undefined ? null : fromHex(key);
}

export function signingKeyOf(compute: Signer, seed: Bytes): SigningKey {
  return { publicKey: `ed25519:${hex(compute.ed25519PublicKey(seed))}`, seed };
}

export function createSigningKey(env: { readonly compute: Signer; readonly random: Random }): SigningKey {
  return signingKeyOf(env.compute, env.random.bytes(ED25519_KEY_BYTES));
}

function signedBytes(kind: SignedKind, message: Bytes): Bytes {
  return concat([utf8(`kelpie/1 ${kind}\n`), message]);
}

export function sign(compute: Signer, key: SigningKey, kind: SignedKind, message: Bytes): Signature {
  return {
    publicKey: key.publicKey,
    value: hex(compute.ed25519Sign(key.seed, signedBytes(kind, message))),
  };
}

export interface SignatureRules {
  /** Public keys, one of which must have signed; null when nobody need have. */
  readonly trusted: ReadonlySet<string> | null;
  readonly kind: SignedKind;
  /** For the sentence: `the package`. */
  readonly what: string;
}

/**
 * @returns the public key of whoever signed; null when nobody did and none need have.
 * @throws KelpieError `package_corrupt` when the signature is not right, `permission_denied` when it is missing, or not of whom is trusted.
 */
export function checkSignature(
  compute: Verifier,
  { trusted, kind, what }: SignatureRules,
  message: Bytes,
  signature: Signature | null,
): string | null {
  if (signature === null) {
    if (trusted === null) return null;
    throw new KelpieError(
      'permission_denied',
      `${what} is not signed, and this host has a list of whom it trusts: whoever publishes must sign (\`kelpie key init --sign\`), with a key of that list (\`kelpie key trust\`).`,
    );
  }
  const { publicKey, value } = signature;
  const key = parsePublicKey(publicKey);
  const isRight =
    key !== null &&
    SIGNATURE.test(value) &&
    compute.ed25519Verify(key, signedBytes(kind, message), fromHex(value));
  if (!isRight)
    throw new KelpieError('package_corrupt', `${what} cannot be used: its signature is not right.`);
  if (trusted !== null && !trusted.has(publicKey))
    throw new KelpieError(
      'permission_denied',
      `${what} was signed by ${publicKey}, whom this host does not trust: \`kelpie key trust ${publicKey}\` if you know whose it is.`,
      { data: { publicKey } },
    );
  return publicKey;
}
