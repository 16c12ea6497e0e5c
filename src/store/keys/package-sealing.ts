/** What encryption and signatures do for packages, with the keys of one store and of one host. */
import { assert } from '../../base/assert.ts';
import { fromHex, hex, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { SEAL_NONCE_BYTES } from '../../env/compute.ts';
import type { FrameSeal, PureCompute } from '../../env/compute.ts';
import type { Random } from '../../env/random.ts';
import { packText } from '../packages/pack-name.ts';
import type { PackName } from '../packages/pack-name.ts';
import { plainSealing } from '../packages/sealing.ts';
import type { DocumentSealer, PackageSealing, SealedBytes } from '../packages/sealing.ts';
import { createSession, documentKeyOf, keyOfSession, packKeyOf } from './data-keys.ts';
import type { DataKey } from './data-keys.ts';
import { SALT_BYTES } from './limits.ts';
import { checkSignature, sign } from './signatures.ts';
import type { SigningKey } from './signatures.ts';
import { newestKey } from './store-keys.ts';
import type { StoreKeys } from './store-keys.ts';

export interface SealingEnv {
  readonly compute: PureCompute;
  readonly random: Random;
}

export interface SealingKeys {
  /** Null in a plain store. */
  readonly store: StoreKeys | null;
  /** Null when this host signs nothing. */
  readonly signingKey: SigningKey | null;
  /** Public keys, one of which must have signed what this host restores; null when nobody need have. */
  readonly trusted: ReadonlySet<string> | null;
}

export function createPackageSealing(env: SealingEnv, keys: SealingKeys): PackageSealing {
  const { signingKey, trusted } = keys;
  const rules = { trusted, kind: 'manifest', what: 'the package' } as const;
  const signing: Pick<DocumentSealer, 'sign' | 'verify'> = {
    sign: (message) => (signingKey === null ? null : sign(env.compute, signingKey, 'manifest', message)),
    verify: (message, signature) => checkSignature(env.compute, rules, message, signature),
  };
  if (keys.store === null) return { ...plainSealing, ...signing };
  const store = keys.store;
  return {
    ...signing,
    isEncrypted: true,
    recipientCount: store.recipients.length,
    newSession: (random) => createSession(env.compute, newestKey(store), random),
    frameSeal: (pack, number) => packSeal(env.compute, store, pack, number),
    seal: (plain, bound) => sealDocument(env, store, plain, bound),
    open: (sealed, bound) => openDocument(env.compute, store, sealed, bound),
  };
}

/**
 * How frame `number` of a pack is sealed: by a key that is the pack's alone, and a nonce that is the frame's. Both are in the associated data
 * too: the one would do, but costs nothing.
 */
export function packSeal(compute: PureCompute, store: StoreKeys, pack: PackName, number: number): FrameSeal {
  assert(Number.isInteger(number) && number >= 0 && number < 2 ** 32, 'a frame has a number');
  const name = packText(pack);
  const dataKey = keyOfSession(compute, store.dataKeys, pack.session);
  if (dataKey === null)
    throw new KelpieError('package_corrupt', `pack ${name} was not sealed with any key of its store.`);
  const nonce = new Uint8Array(SEAL_NONCE_BYTES);
  viewOf(nonce).setUint32(SEAL_NONCE_BYTES - 4, number);
  const associatedData = utf8(`kelpie/1 frame ${name} ${number}`);
  return { key: packKeyOf(compute, dataKey, name), nonce, associatedData };
}

/** Seals a document under a salt, and so a key, of its own. @param bound what must be the same when it is opened. */
export function sealDocument(env: SealingEnv, store: StoreKeys, plain: Bytes, bound: Bytes): SealedBytes {
  const dataKey = newestKey(store);
  const salt = env.random.bytes(SALT_BYTES);
  const bytes = env.compute.seal(plain, documentSeal(env.compute, dataKey, salt, bound));
  return { keyId: dataKey.id, salt: hex(salt), bytes };
}

/** @throws KelpieError `permission_denied` when the store's keys are not those of the document; `package_corrupt`. */
export function openDocument(
  compute: PureCompute,
  store: StoreKeys,
  { keyId, salt, bytes }: SealedBytes,
  bound: Bytes,
): Bytes {
  const dataKey = store.dataKeys.find(({ id }) => id === keyId);
  if (dataKey === undefined) {
    const message = `the package is sealed with key ${keyId}, which is none of its store's: it came from another store.`;
    throw new KelpieError('permission_denied', message);
  }
  const plain = compute.open(bytes, documentSeal(compute, dataKey, fromHex(salt), bound));
  if (plain === null)
    throw new KelpieError('package_corrupt', 'the package cannot be used: its seal is broken.');
  return plain;
}

function documentSeal(compute: PureCompute, dataKey: DataKey, salt: Bytes, bound: Bytes): FrameSeal {
  return {
    key: documentKeyOf(compute, dataKey, salt),
    // The key is of this document alone.
    nonce: new Uint8Array(SEAL_NONCE_BYTES),
    associatedData: utf8(`kelpie/1 document ${compute.sha256(bound)}`),
  };
}
