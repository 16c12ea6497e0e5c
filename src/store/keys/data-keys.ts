/**
 * A store's data keys, and what is derived from them by HKDF-SHA-256. A derived key is for one purpose and one name, so that no pair of key and
 * nonce can meet a second plaintext as long as names are not used twice. `docs/FORMAT.md` has the labels.
 */
import { assert } from '../../base/assert.ts';
import { concat, equalBytes, hex, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { readUuid, UUID_BYTES, writeUuid } from '../../base/uuid.ts';
import type { PureCompute } from '../../env/compute.ts';
import type { Random } from '../../env/random.ts';

export const DATA_KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
const NO_SALT: Bytes = new Uint8Array(0);

export type Derive = Pick<PureCompute, 'hkdfSha256'>;

export interface DataKey {
  /** Derived from the key, so that a key under another's id is noticed: 16 hexadecimal digits. */
  readonly id: string;
  readonly bytes: Bytes;
}

/** A data key of bytes that somebody had. */
export function dataKeyOf(compute: Derive, bytes: Bytes): DataKey {
  assert(bytes.byteLength === DATA_KEY_BYTES, 'a data key has its length');
  const id = compute.hkdfSha256(bytes, NO_SALT, utf8('kelpie/1 key id')).subarray(0, KEY_ID_BYTES);
  return { id: hex(id), bytes };
}

export function createDataKey(env: { readonly compute: Derive; readonly random: Random }): DataKey {
  return dataKeyOf(env.compute, env.random.bytes(DATA_KEY_BYTES));
}

/** The key of one pack. @param pack `SESSION/NUMBER`. */
export function packKeyOf(compute: Derive, { bytes }: DataKey, pack: string): Bytes {
  return compute.hkdfSha256(bytes, NO_SALT, utf8(`kelpie/1 pack ${pack}`));
}

/** The key of one document. */
export function documentKeyOf(compute: Derive, { bytes }: DataKey, salt: Bytes): Bytes {
  return compute.hkdfSha256(bytes, salt, utf8('kelpie/1 document'));
}

/** Says that somebody who has all of the keys wrote what has this digest. */
export function tagOfKeys(compute: Derive, keys: readonly DataKey[], sha256: string): string {
  const all = concat(keys.map(({ bytes }) => bytes));
  return hex(compute.hkdfSha256(all, NO_SALT, utf8(`kelpie/1 store keys ${sha256}`)));
}

/** Of a session's UUID: the last four bytes say which data key its packs are sealed with, to those who have it. */
const SESSION_TAG_BYTES = 4;

function sessionTag(compute: Derive, { bytes }: DataKey, head: Bytes): Bytes {
  const label = utf8(`kelpie/1 session ${hex(head)}`);
  return compute.hkdfSha256(bytes, NO_SALT, label).subarray(0, SESSION_TAG_BYTES);
}

/** A session that nobody has used: its first twelve bytes are those of a random UUID. */
export function createSession(compute: Derive, key: DataKey, random: Random): string {
  const uuid = new Uint8Array(UUID_BYTES);
  writeUuid(random.uuid(), uuid, 0);
  const head = uuid.subarray(0, UUID_BYTES - SESSION_TAG_BYTES);
  uuid.set(sessionTag(compute, key, head), head.byteLength);
  return readUuid(uuid, 0);
}

/** The key that a session's packs are sealed with; null when it is none of these. */
export function keyOfSession(compute: Derive, keys: readonly DataKey[], session: string): DataKey | null {
  const uuid = new Uint8Array(UUID_BYTES);
  writeUuid(session, uuid, 0);
  const head = uuid.subarray(0, UUID_BYTES - SESSION_TAG_BYTES);
  const tag = uuid.subarray(head.byteLength);
  return keys.findLast((key) => equalBytes(sessionTag(compute, key, head), tag)) ?? null;
}
