import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sampleStoreKeys } from '../../../test/support/sample-keys.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { createPackageSealing } from '../keys/package-sealing.ts';
import { createSigningKey } from '../keys/signatures.ts';
import { HOSTS_LISTED_MAX, HOST_RECORD_BYTES_MAX } from '../limits.ts';
import { MemoryObjects } from '../objects/memory/memory-objects.ts';
import { plainSealing } from '../packages/sealing.ts';
import type { DocumentSealer } from '../packages/sealing.ts';
import { findHost } from './find-host.ts';
import { parseHostRecord } from './host-record.ts';
import type { HostRecord } from './host-record.ts';
import { HostRecords } from './host-records.ts';

const env = createNodeEnv();
const hostId = '00000000-0000-4000-8000-00000000000a';
const record: HostRecord = {
  hostId,
  name: 'cloud',
  kelpieVersion: '0.1.0',
  toldAtUnixMs: 1_700_000_000_000,
  facts: {
    source: { architecture: 'x86_64', kernel: 'Linux 6.1', cpu: null },
    backends: [],
    images: [],
  },
};
const signingKey = createSigningKey(env);
const sealed = createPackageSealing(env, { store: sampleStoreKeys(), signingKey, trusted: null });

function recordsOver(objects: MemoryObjects, sealing: DocumentSealer): HostRecords {
  return new HostRecords({ objects, sealing, ensureRoot: async () => undefined });
}

async function bytesOf(sealing: DocumentSealer): Promise<Uint8Array> {
  const objects = new MemoryObjects(env);
  await recordsOver(objects, sealing).write(record);
  return (await objects.get(`hosts/${hostId}`))?.bytes ?? assert.fail('there is no record');
}

test('what a host told is read as it was, in plain and in encrypted stores, and says who signed', async () => {
  for (const [sealing, signedBy] of [
    [plainSealing, null],
    [sealed, signingKey.publicKey],
  ] as const) {
    const records = recordsOver(new MemoryObjects(env), sealing);
    assert.equal(await records.read(hostId), null);
    await records.write(record);
    await records.write({ ...record, name: 'renamed' });
    assert.deepEqual(await records.read(hostId), { ...record, name: 'renamed', signedBy });
    assert.deepEqual(await records.list(), [
      { damaged: false, record: { ...record, name: 'renamed', signedBy } },
    ]);
    await records.remove(hostId);
    await records.remove(hostId);
    assert.deepEqual(await records.list(), []);
  }
  assert.doesNotMatch(fromUtf8(await bytesOf(sealed)), /cloud|Linux/, 'nothing of it is in the clear');
});

test('a sealed record with any byte changed, one of another host and one that is not sealed are refused', async () => {
  const bytes = await bytesOf(sealed);
  fc.assert(
    fc.property(fc.nat(bytes.byteLength - 1), fc.integer({ min: 1, max: 255 }), (index, change) => {
      const forged = bytes.with(index, (bytes[index] ?? 0) ^ change);
      assert.throws(
        () => parseHostRecord(sealed, hostId, forged),
        (error) => isKelpieError(error, 'package_corrupt', 'package_too_new', 'permission_denied'),
      );
    }),
    { numRuns: 300 },
  );
  const other = '00000000-0000-4000-8000-00000000000b';
  const renamed = utf8(fromUtf8(bytes).replace(hostId, other));
  for (const [id, forged] of [
    [other, bytes],
    [other, renamed],
    [hostId, await bytesOf(plainSealing)],
    [hostId, new Uint8Array(HOST_RECORD_BYTES_MAX + 1)],
  ] as const)
    assert.throws(
      () => parseHostRecord(sealed, id, forged),
      (error) => isKelpieError(error, 'package_corrupt'),
    );
});

test('a host with a list of whom it trusts believes nobody else, and does not write what it would not believe', async () => {
  const objects = new MemoryObjects(env);
  await recordsOver(objects, createPackageSealing(env, { store: null, signingKey, trusted: null })).write(
    record,
  );
  const wary = createPackageSealing(env, { store: null, signingKey: null, trusted: new Set(['ed25519:00']) });
  const records = recordsOver(objects, wary);
  await refusedAs(records.read(hostId), 'permission_denied');
  await refusedAs(records.write(record), 'permission_denied');
  const [listing] = await records.list();
  assert.ok(listing?.damaged === true && /whom this host does not trust/.test(listing.reason));
});

test('a newer format is told from a broken one, and a listing has both among the others', async () => {
  const objects = new MemoryObjects(env);
  const records = recordsOver(objects, plainSealing);
  await records.write(record);
  await objects.put('hosts/newer', utf8('{"formatVersion":2}'));
  await objects.put('hosts/torn', utf8('{"formatVersion":1,'));
  await objects.put('hosts/a/b', utf8('of nobody'));
  await refusedAs(records.read('newer'), 'package_too_new');
  await refusedAs(records.read('torn'), 'package_corrupt');
  const listings = await records.list();
  assert.deepEqual(
    listings.map(({ damaged }) => damaged),
    [false, true, true],
  );
  await records.remove('torn');
  assert.equal((await records.list()).length, 2);
  await refusedAs(records.write({ ...record, hostId: '../x' }), 'invalid_argument');
  assert.equal(await records.read('../x'), null);
});

test('more hosts than the bound are refused, not cut off', async () => {
  const objects = new MemoryObjects(env);
  const records = recordsOver(objects, plainSealing);
  for (let index = 0; index < HOSTS_LISTED_MAX; index += 1) await objects.put(`hosts/${index}`, utf8('{}'));
  assert.equal((await records.list()).length, HOSTS_LISTED_MAX);
  await objects.put('hosts/one-more', utf8('{}'));
  await refusedAs(records.list(), 'limit_exceeded');
});

test('a host is found by its name, its id or a beginning of that, and never guessed', () => {
  const listing = (id: string, name: string) =>
    ({ damaged: false, record: { ...record, hostId: id, name, signedBy: null } }) as const;
  const listings = [
    listing('aaaa1111', 'cloud'),
    listing('aaaa2222', 'laptop'),
    listing('bbbb1111', 'twin'),
    listing('bbbb2222', 'twin'),
    { damaged: true, hostId: 'cccc1111', reason: 'it is torn.' },
  ] as const;
  const find = (reference: string): string => findHost(listings, reference, 's3://b').hostId;
  assert.deepEqual(['cloud', 'aaaa1', 'bbbb2222'].map(find), ['aaaa1111', 'aaaa1111', 'bbbb2222']);
  const refusals = {
    aaaa: 'invalid_argument',
    twin: 'invalid_argument',
    aaa: 'host_not_found',
    nobody: 'host_not_found',
    cccc1111: 'package_corrupt',
  } as const;
  for (const [reference, code] of Object.entries(refusals))
    assert.throws(
      () => find(reference),
      (error) => isKelpieError(error, code) && error.message.endsWith('.'),
      reference,
    );
});
