import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { isJsonObject } from '../../base/json.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import { sampleSession, sha256Compute } from '../../../test/support/sample-maps.ts';
import { fakeSealing, sampleManifest } from '../../../test/support/sample-manifest.ts';
import { parseEnvelope, parseManifest, sealManifest } from './manifest.ts';
import { plainSealing } from './sealing.ts';

const contents = sampleManifest();
const plain = sealManifest(sha256Compute, plainSealing, contents);
const sealed = sealManifest(sha256Compute, fakeSealing, contents);

function refused(bytes: Bytes, code: ErrorCode, reason: RegExp, sealing = plainSealing): void {
  assert.throws(
    () => parseManifest(sha256Compute, sealing, sha256Compute.sha256(bytes), bytes),
    (error) => isKelpieError(error, code) && reason.test(error.message),
  );
}

/** The manifest with members put, or taken out with `undefined`, under the id that it then has. */
function changed(bytes: Bytes, change: Record<string, unknown>): Bytes {
  const value: unknown = JSON.parse(fromUtf8(bytes));
  assert.ok(isJsonObject(value));
  const members = Object.entries({ ...value, ...change }).filter(([, member]) => member !== undefined);
  return utf8(canonicalJson(Object.fromEntries(members)));
}

function changedBody(change: Record<string, unknown>): Bytes {
  const value: unknown = JSON.parse(fromUtf8(plain.bytes));
  assert.ok(isJsonObject(value) && isJsonObject(value['body']));
  return changed(plain.bytes, { body: { ...value['body'], ...change } });
}

describe('manifests', () => {
  it('are read as they were written, plain and sealed', () => {
    const { packs, ownPacks, body } = contents;
    assert.deepEqual(parseManifest(sha256Compute, plainSealing, plain.id, plain.bytes), {
      ...{ packs, ownPacks, body },
      isEncrypted: false,
      signedBy: null,
    });
    assert.deepEqual(parseManifest(sha256Compute, fakeSealing, sealed.id, sealed.bytes), {
      ...{ packs, ownPacks, body },
      isEncrypted: true,
      signedBy: 'signer',
    });
    assert.equal(sealManifest(sha256Compute, plainSealing, contents).id, plain.id);
  });

  it('of a checkpoint are of a format that older programs refuse', () => {
    const metadata = { ...contents.body.metadata, kind: 'checkpoint' } as const;
    const checkpoint = sealManifest(sha256Compute, plainSealing, {
      ...contents,
      body: { ...contents.body, metadata },
    });
    assert.match(fromUtf8(checkpoint.bytes), /"formatVersion":3,"ownPacks"/);
    assert.equal(
      parseManifest(sha256Compute, plainSealing, checkpoint.id, checkpoint.bytes).body.metadata.kind,
      'checkpoint',
    );
    refused(changed(checkpoint.bytes, { formatVersion: 2 }), 'package_corrupt', /not that of its kind/);
  });

  it('say which packs they need without keys, and nothing else', () => {
    const { packs, ownPacks } = contents;
    assert.deepEqual(parseEnvelope(sha256Compute, sealed.id, sealed.bytes), {
      packs,
      ownPacks,
      isEncrypted: true,
    });
    assert.doesNotMatch(fromUtf8(sealed.bytes), /metadata|rootfs|vmId/);
  });

  it('are refused after any truncation, any byte more and any change of a byte', () => {
    const parse = (bytes: Bytes): unknown => parseManifest(sha256Compute, plainSealing, plain.id, bytes);
    const damaged = (error: unknown): boolean => isKelpieError(error, 'package_corrupt');
    for (let length = 0; length < plain.bytes.byteLength; length += 1) {
      assert.throws(() => parse(plain.bytes.subarray(0, length)), damaged);
      const flipped = plain.bytes.slice();
      flipped[length] = (flipped[length] ?? 0) ^ (1 << (length % 8));
      assert.throws(() => parse(flipped), damaged);
    }
    assert.throws(() => parse(Uint8Array.of(...plain.bytes, 10)), damaged);
  });

  it('are refused in another spelling, of a newer format, or under the id of another', () => {
    const spaced = utf8(fromUtf8(plain.bytes).replace('{', '{ '));
    refused(spaced, 'package_corrupt', /not canonical/);
    // Of no release.
    refused(changed(plain.bytes, { formatVersion: 1 }), 'package_corrupt', /formatVersion/);
    refused(changed(plain.bytes, { formatVersion: 4 }), 'package_too_new', /is of format 4/);
    refused(changed(plain.bytes, { formatVersion: 3 }), 'package_corrupt', /not that of its kind/);
    refused(changed(plain.bytes, { extra: 1 }), 'package_corrupt', /extra/);
    assert.throws(
      () => parseManifest(sha256Compute, fakeSealing, plain.id, sealed.bytes),
      (error) => isKelpieError(error, 'package_corrupt'),
    );
  });

  it('are refused when their packs are not in order, not theirs, or paths elsewhere', () => {
    const [a = '', b = '', other = ''] = contents.packs.map(({ session, number }) => `${session}/${number}`);
    const packs = (names: readonly string[], ownPacks = 2): Bytes =>
      changed(plain.bytes, { packs: names, ownPacks });
    refused(packs([b, a, other]), 'package_corrupt', /out of order/);
    refused(packs([a, a, other]), 'package_corrupt', /out of order/);
    refused(packs([a, b, other], 1), 'package_corrupt', /not those of one publish|out of order/);
    refused(packs([a, b, other], 3), 'package_corrupt', /out of order|not those of one publish/);
    refused(packs([a, b, other], 4), 'package_corrupt', /more packs of its own/);
    for (const bad of ['../../etc/0', `${sampleSession(1)}/01`, `${sampleSession(1)}/-1`, `${a}/2`, '', '/'])
      refused(packs([a, b, bad]), 'package_corrupt', /a pack that cannot be/);
    refused(packs([a, b]), 'package_corrupt', /in a pack that it does not name/);
  });

  it('are refused when a stream cannot be', () => {
    const frame = {
      pack: 0,
      number: 0,
      offset: 28,
      storedBytes: 9,
      rawBytes: 10,
      codec: 'zstd',
      sha256: 'ab'.repeat(32),
    };
    const stream = (...frames: readonly object[]): Bytes =>
      changedBody({ deviceState: { frames, sha256: 'ab'.repeat(32), sizeBytes: frames.length * 10 } });
    parseManifest(sha256Compute, plainSealing, sha256Compute.sha256(stream(frame)), stream(frame));
    const second = { ...frame, number: 1, offset: 37 };
    refused(stream(frame, { ...second, offset: 36 }), 'package_corrupt', /overlap/);
    refused(stream(frame, { ...second, number: 0 }), 'package_corrupt', /out of order/);
    refused(stream(second, frame), 'package_corrupt', /out of order/);
    refused(stream({ ...frame, offset: 27 }), 'package_corrupt', /offset/);
    refused(
      stream({ ...frame, offset: 2 ** 24 + 1000, storedBytes: 2 ** 20 }),
      'package_corrupt',
      /out of order|overlap/,
    );
    refused(stream({ ...frame, rawBytes: 2 ** 21 }), 'package_corrupt', /rawBytes/);
    refused(stream({ ...frame, rawBytes: 11 }), 'package_corrupt', /length of their stream/);
    refused(stream({ ...frame, number: 16 }), 'package_corrupt', /number/);
    refused(stream({ ...frame, pack: 3 }), 'package_corrupt', /does not name/);
    refused(stream({ ...frame, codec: 'lz4' }), 'package_corrupt', /codec/);
  });

  it('are refused when a file of the image is named like a path, or twice', () => {
    const stream = { frames: [], sha256: sha256Compute.sha256(new Uint8Array(0)), sizeBytes: 0 };
    const files = (...names: readonly string[]): Bytes =>
      changedBody({ imageFiles: names.map((name) => ({ name, stream })) });
    const good = files('rootfs', 'image.json');
    parseManifest(sha256Compute, plainSealing, sha256Compute.sha256(good), good);
    for (const name of [
      '../rootfs',
      '/etc/passwd',
      'a/b',
      '..',
      '.',
      '.hidden',
      '',
      'a\\b',
      'a\u0000',
      'A',
      'x'.repeat(65),
    ])
      refused(files(name), 'package_corrupt', /name/);
    refused(files('rootfs', 'rootfs'), 'package_corrupt', /twice/);
  });

  it('are refused when they have no body, two, or a plain one in an encrypted store', () => {
    refused(changed(plain.bytes, { body: undefined }), 'package_corrupt', /no body, or two/);
    refused(
      changed(plain.bytes, { sealed: { bytes: '', keyId: 'k', salt: '' } }),
      'package_corrupt',
      /no body, or two/,
    );
    refused(sealed.bytes, 'permission_denied', /no keys/);
    const replayed = sealManifest(sha256Compute, { ...fakeSealing, isEncrypted: false }, contents);
    assert.throws(
      () => parseManifest(sha256Compute, fakeSealing, replayed.id, replayed.bytes),
      (error) => isKelpieError(error, 'package_corrupt') && /not sealed/.test(error.message),
    );
  });

  it('are refused when what is not secret is not what was sealed or signed', () => {
    const [first = '', ...rest] = contents.packs.map(({ session, number }) => `${session}/${number}`);
    const fewer = changed(sealed.bytes, { ownPacks: 1, packs: [first, ...rest.slice(1)] });
    refused(fewer, 'package_corrupt', /signature/, fakeSealing);
    const unsigned = { ...fakeSealing, verify: () => null };
    refused(fewer, 'package_corrupt', /seal/, unsigned);
    refused(changed(sealed.bytes, { signature: undefined }), 'package_corrupt', /signature/, fakeSealing);
  });

  it('are not written when nobody could read them back', () => {
    const files = contents.body.imageFiles;
    assert.throws(
      () =>
        sealManifest(sha256Compute, plainSealing, {
          ...contents,
          body: { ...contents.body, imageFiles: [...files, ...files] },
        }),
      (error) => isKelpieError(error, 'package_corrupt') && /named twice/.test(error.message),
    );
  });
});
