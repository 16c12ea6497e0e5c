/** Node's AES-256-GCM and Ed25519, as `PureCompute` has them. */
import { bare } from './bare.ts';
import { crypto } from './late-modules.ts';
import { assert } from '../../base/assert.ts';
import { concat, freeBytes, fromHex } from '../../base/bytes.ts';
import {
  ASSOCIATED_DATA_BYTES_MAX,
  ED25519_KEY_BYTES,
  HKDF_INFO_BYTES_MAX,
  SEAL_BYTES,
  SEAL_KEY_BYTES,
  SEAL_NONCE_BYTES,
} from '../compute.ts';
import type { KeyObject } from 'node:crypto';
import type { Bytes } from '../../base/bytes.ts';
import type { FrameSeal } from '../compute.ts';

const CIPHER = 'aes-256-gcm';
/** What stands before a raw key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410): Node takes raw ones in no other way. */
const PRIVATE_PREFIX: Bytes = fromHex('302e020100300506032b657004220420');
const PUBLIC_PREFIX: Bytes = fromHex('302a300506032b6570032100');

function check({ key, nonce, associatedData }: FrameSeal): void {
  assert(key.byteLength === SEAL_KEY_BYTES && nonce.byteLength === SEAL_NONCE_BYTES, 'a seal has its sizes');
  assert(associatedData.byteLength <= ASSOCIATED_DATA_BYTES_MAX, 'associated data is bounded');
}

/** @param bound more associated data, behind the seal's own. */
export function seal(plain: Bytes, sealing: FrameSeal, bound: Bytes = new Uint8Array(0)): Bytes {
  check(sealing);
  const cipher = crypto().createCipheriv(CIPHER, sealing.key, sealing.nonce);
  cipher.setAAD(concat([sealing.associatedData, bound]));
  const body = cipher.update(plain);
  cipher.final();
  const sealed = concat([body, cipher.getAuthTag()]);
  freeBytes(body);
  return sealed;
}

/** Null when the tag is not right. */
export function open(sealed: Bytes, sealing: FrameSeal, bound: Bytes = new Uint8Array(0)): Bytes | null {
  check(sealing);
  const length = sealed.byteLength - SEAL_BYTES;
  if (length < 0) return null;
  const decipher = crypto().createDecipheriv(CIPHER, sealing.key, sealing.nonce, {
    authTagLength: SEAL_BYTES,
  });
  decipher.setAAD(concat([sealing.associatedData, bound]));
  decipher.setAuthTag(sealed.subarray(length));
  const body = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    // It has only one thing to say.
    freeBytes(body);
    return null;
  }
  return bare(body);
}

export function hkdfSha256(key: Bytes, salt: Bytes, info: Bytes): Bytes {
  assert(info.byteLength <= HKDF_INFO_BYTES_MAX, 'the info of a derived key is bounded');
  return new Uint8Array(crypto().hkdfSync('sha256', key, salt, info, SEAL_KEY_BYTES));
}

export function ed25519PublicKey(seed: Bytes): Bytes {
  const spki = crypto().createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' });
  return new Uint8Array(spki.subarray(PUBLIC_PREFIX.byteLength));
}

export function ed25519Sign(seed: Bytes, message: Bytes): Bytes {
  return bare(crypto().sign(null, message, privateKey(seed)));
}

export function ed25519Verify(publicKey: Bytes, message: Bytes, signature: Bytes): boolean {
  if (publicKey.byteLength !== ED25519_KEY_BYTES) return false;
  const key = derKey(PUBLIC_PREFIX, publicKey);
  const object = crypto().createPublicKey({ key, format: 'der', type: 'spki' });
  return crypto().verify(null, message, object, signature);
}

function privateKey(seed: Bytes): KeyObject {
  assert(seed.byteLength === ED25519_KEY_BYTES, 'a private key has its length');
  return crypto().createPrivateKey({ key: derKey(PRIVATE_PREFIX, seed), format: 'der', type: 'pkcs8' });
}

function derKey(prefix: Bytes, raw: Bytes): Buffer {
  return Buffer.concat([prefix, raw]);
}
