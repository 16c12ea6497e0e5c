import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { FrameDamaged } from '../../env/frame-damaged.ts';
import { createInPlaceCompute } from '../../env/node/compute.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import type { PackName } from '../packages/pack-name.ts';
import { createPackageSealing, openDocument, packSeal, sealDocument } from './package-sealing.ts';
import { createSigningKey } from './signatures.ts';
import { rotated } from './store-keys.ts';

const env = createNodeEnv();
const { compute, random } = env;
const { frames } = createInPlaceCompute();
const store = sampleStoreKeys();
const sealing = createPackageSealing(env, { store, signingKey: null, trusted: null });
const session = sealing.newSession(random);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 5000 });
const place = fc.record({ number: fc.nat(70_000), frame: fc.nat(15) });

function packOf(number: number): PackName {
  return { session, number };
}

function flipped(original: Bytes, bit: number): Bytes {
  const index = Math.floor(bit / 8) % original.byteLength;
  return original.with(index, (original[index] ?? 0) ^ (1 << (bit % 8)));
}

const isSealDamage = (error: unknown): boolean => error instanceof FrameDamaged && error.damage === 'seal';

describe('frames of an encrypted store', () => {
  it('open at their place only', () => {
    fc.assert(
      fc.property(bytes, place, place, (raw, here, there) => {
        const seal = packSeal(compute, store, packOf(here.number), here.frame);
        const packed = frames.pack(raw.slice(), seal);
        assert.deepEqual(frames.unpack(packed, raw.byteLength, seal), raw);
        fc.pre(here.number !== there.number || here.frame !== there.frame);
        const other = packSeal(compute, store, packOf(there.number), there.frame);
        assert.throws(() => frames.unpack(packed, raw.byteLength, other), isSealDamage);
      }),
    );
  });

  it('are refused with any bit flipped and any byte cut, though their digest was made to match', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (raw, bit) => {
        const seal = packSeal(compute, store, packOf(1), 2);
        const packed = frames.pack(raw.slice(), seal);
        for (const forged of [
          flipped(packed.bytes, bit),
          packed.bytes.slice(0, bit % packed.bytes.byteLength),
        ]) {
          const { codec } = packed;
          const again = { bytes: forged, codec, sha256: compute.sha256(forged) };
          assert.throws(() => frames.unpack(again, raw.byteLength, seal), isSealDamage);
        }
      }),
    );
  });

  it('never have the key and nonce of another', () => {
    const seen = new Set<string>();
    const sessions = [session, sealing.newSession(random), sealing.newSession(random)];
    for (const own of sessions)
      for (const number of [0, 1, 255, 65_536])
        for (const frame of [0, 1, 255, 256, 2 ** 32 - 1]) {
          const { key, nonce } = packSeal(compute, store, { session: own, number }, frame);
          seen.add(`${key.join('.')} ${nonce.join('.')}`);
        }
    assert.equal(seen.size, 3 * 4 * 5);
  });

  it('are opened after a rotation, whichever key they were sealed with', () => {
    const after = rotated(env, store);
    const newer = createPackageSealing(env, { store: after, signingKey: null, trusted: null });
    const newSession = newer.newSession(random);
    assert.deepEqual(newer.frameSeal(packOf(0), 0), sealing.frameSeal(packOf(0), 0));
    assert.ok(newer.frameSeal({ session: newSession, number: 0 }, 0) !== null);
    // Who has the old keys only does not read what came after.
    assert.throws(
      () => sealing.frameSeal({ session: newSession, number: 0 }, 0),
      (error) => isKelpieError(error, 'package_corrupt'),
    );
  });
});

describe('documents of an encrypted store', () => {
  const bound = utf8('{"packs":[]}');
  const isRefused = (error: unknown): boolean => isKelpieError(error, 'package_corrupt');

  it('open with what they are bound to, unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.uint8Array(), fc.nat(), (plain, tied, bit) => {
        const sealed = sealDocument(env, store, plain, tied);
        assert.deepEqual(openDocument(compute, store, sealed, tied), plain);
        const forgeries = [
          { ...sealed, bytes: flipped(sealed.bytes, bit) },
          { ...sealed, bytes: sealed.bytes.slice(0, bit % sealed.bytes.byteLength) },
          { ...sealed, salt: sealed.salt.replace(/^../, sealed.salt.startsWith('00') ? '01' : '00') },
        ];
        for (const forged of forgeries)
          assert.throws(() => openDocument(compute, store, forged, tied), isRefused);
        const other = concat([tied, Uint8Array.of(0)]);
        assert.throws(() => openDocument(compute, store, sealed, other), isRefused);
      }),
    );
  });

  it('are never the same bytes twice', () => {
    const [one, two] = [sealing.seal(bound, bound), sealing.seal(bound, bound)];
    assert.notEqual(one.salt, two.salt);
    assert.notDeepEqual(one.bytes, two.bytes);
  });

  it('of another store are told as such', () => {
    const sealed = sealDocument(env, sampleStoreKeys(), bound, bound);
    assert.throws(
      () => sealing.open(sealed, bound),
      (error) => isKelpieError(error, 'permission_denied') && error.message.includes(sealed.keyId),
    );
  });

  it('are opened after a rotation', () => {
    const after = rotated(env, store);
    assert.deepEqual(openDocument(compute, after, sealing.seal(bound, bound), bound), bound);
    assert.notEqual(sealDocument(env, after, bound, bound).keyId, sealing.seal(bound, bound).keyId);
  });
});

describe('a plain store', () => {
  const signingKey = createSigningKey(env);
  const message = utf8('manifest');

  it('seals nothing, and has sessions of its own', () => {
    const plain = createPackageSealing(env, { store: null, signingKey: null, trusted: null });
    assert.equal(plain.isEncrypted, false);
    assert.equal(plain.frameSeal(packOf(0), 0), null);
    assert.notEqual(plain.newSession(random), plain.newSession(random));
    assert.equal(plain.sign(message), null);
    assert.equal(plain.verify(message, null), null);
  });

  it('may be signed', () => {
    const plain = createPackageSealing(env, { store: null, signingKey, trusted: null });
    const trusting = new Set([signingKey.publicKey]);
    const reader = createPackageSealing(env, { store: null, signingKey: null, trusted: trusting });
    assert.equal(reader.verify(message, plain.sign(message)), signingKey.publicKey);
    assert.throws(
      () => reader.verify(message, null),
      (error) => isKelpieError(error, 'permission_denied'),
    );
  });
});
