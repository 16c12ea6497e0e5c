import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { objectOwnershipFixtures } from '../../../test/support/ownership-fixture.ts';
import { ownershipSuite, sampleRecord } from '../../../test/support/ownership-suite.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import type { FaultRule } from '../../../test/support/strict-s3/faults.ts';
import { openS3, s3Fixtures } from '../../../test/support/strict-s3/s3-fixture.ts';
import { StrictS3 } from '../../../test/support/strict-s3/strict-s3.ts';
import { utf8 } from '../../base/bytes.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { OWNERSHIP_RECORDS_LISTED_MAX, OWNERSHIP_RECORD_BYTES_MAX } from '../limits.ts';
import { MemoryObjects } from '../objects/memory/memory-objects.ts';
import type { ObjectStore, PutOutcome } from '../objects/object-store.ts';
import { openObjects, reliable } from '../objects/open-objects.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { passOn } from '../objects/wrappers/wrap-objects.ts';
import { encodeOwnershipRecord } from '../ownership-codec.ts';
import { ObjectOwnership } from './object-ownership.ts';

const env = createNodeEnv();
const { vmId } = sampleRecord(1);
const key = `ownership/${vmId}`;

ownershipSuite(
  'records over memory',
  objectOwnershipFixtures(async () => {
    const bare = new MemoryObjects(env);
    return { open: async () => reliable(bare, env), close: async () => undefined };
  }),
);

ownershipSuite(
  'records over a directory',
  objectOwnershipFixtures(async () => {
    const root = await mkdtemp(join(tmpdir(), 'kelpie-records-'));
    return {
      open: async () => await openObjects(env, root),
      close: async () => await rm(root, { recursive: true }),
    };
  }),
);

describe('records over S3', () => {
  let server: StrictS3;
  before(async () => {
    server = await StrictS3.start();
  });
  after(async () => await server.close());

  ownershipSuite('records over strict S3', objectOwnershipFixtures(s3Fixtures(() => server)));
});

test('processes that race for a record in a directory win each revision exactly once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'kelpie-records-'));
  try {
    const racer = join(import.meta.dirname, '../../../test/support/ownership-racer.ts');
    const run = async (): Promise<readonly number[]> => {
      const { stdout } = await promisify(execFile)(execPath, [racer, root, '60'], {
        timeout: 60_000,
      });
      return stdout.split('\n').filter(Boolean).map(Number);
    };
    const won = (await Promise.all([run(), run(), run(), run()])).flat();
    assert.deepEqual(
      won.toSorted((a, b) => a - b),
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
  } finally {
    await rm(root, { recursive: true });
  }
});

const lost: readonly FaultRule['fault'][] = [
  { kind: 'lose-answer' },
  { kind: 'late-copy', afterRequests: 3 },
  { kind: 'refuse-after', status: 500, code: 'InternalError' },
  { kind: 'refuse', status: 409, code: 'ConditionalRequestConflict' },
];
for (const fault of lost) {
  test(`a change whose answer is lost is found to be made: ${JSON.stringify(fault)}`, async () => {
    const server = await StrictS3.start();
    try {
      const records = new ObjectOwnership(await openS3(server));
      for (const expected of [0, 1]) {
        server.faults.rules = [{ method: 'PUT', fault }];
        await records.compareAndSwap(expected, sampleRecord(expected + 1));
        assert.equal(server.faults.injected, expected + 1);
        assert.deepEqual(await records.read(vmId), sampleRecord(expected + 1));
      }
      // Whatever copies of it come late, they change nothing.
      await records.compareAndSwap(2, sampleRecord(3));
      for (let reads = 0; reads < 5; reads += 1) assert.deepEqual(await records.read(vmId), sampleRecord(3));
    } finally {
      await server.close();
    }
  });
}

test('a record that came damaged is asked for again', async () => {
  const server = await StrictS3.start();
  try {
    const records = new ObjectOwnership(await openS3(server));
    await records.compareAndSwap(0, sampleRecord(1));
    server.faults.rules = [{ method: 'GET', count: 2, fault: { kind: 'damage' } }];
    assert.deepEqual(await records.read(vmId), sampleRecord(1));
    assert.equal(server.faults.injected, 2);
  } finally {
    await server.close();
  }
});

/** A store in memory whose conditional writes end as the test says. */
function ending(put: () => Promise<PutOutcome>): ObjectStore {
  return { ...passOn(new MemoryObjects(env)), putIfAbsent: put };
}

test('what nobody can know is not told as a lost race', async () => {
  const contended = new StoreTrouble('contended', 'another change is under way: try again.', {
    isOutcomeUnknown: true,
  });
  for (const put of [
    async (): Promise<PutOutcome> => ({ result: 'overtaken' }),
    async (): Promise<PutOutcome> => await Promise.reject(contended),
  ]) {
    await refusedAs(new ObjectOwnership(ending(put)).compareAndSwap(0, sampleRecord(1)), 'store_unavailable');
  }
  const refused = ending(async () => ({ result: 'refused' }));
  await refusedAs(new ObjectOwnership(refused).compareAndSwap(0, sampleRecord(1)), 'store_conflict');
});

test('a record of another VM, and one that is too long, name the VM that they are not fit for', async () => {
  const objects = new MemoryObjects(env);
  const records = new ObjectOwnership(objects);
  const other = { ...sampleRecord(1), vmId: '00000000-0000-4000-8000-00000000000b' };
  for (const bytes of [encodeOwnershipRecord(other), new Uint8Array(OWNERSHIP_RECORD_BYTES_MAX + 1)]) {
    await objects.put(key, bytes);
    await refusedAs(records.read(vmId), 'package_corrupt');
    await refusedAs(records.compareAndSwap(1, sampleRecord(2)), 'package_corrupt');
    await assert.rejects(records.list(), new RegExp(vmId));
  }
});

test('all records are listed by pages, and more than the bound are refused, not cut off', async () => {
  const objects = new MemoryObjects(env);
  const records = new ObjectOwnership(objects);
  const record = (index: number): ReturnType<typeof sampleRecord> => ({
    ...sampleRecord(1),
    vmId: `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`,
  });
  await objects.put('ownership/readme', utf8('not a record'));
  const add = async (index: number): Promise<void> => await records.compareAndSwap(0, record(index));
  for (let index = 0; index < OWNERSHIP_RECORDS_LISTED_MAX; index += 1) await add(index);
  const listed = await records.list();
  assert.equal(listed.length, OWNERSHIP_RECORDS_LISTED_MAX);
  assert.deepEqual(listed.at(-1), record(OWNERSHIP_RECORDS_LISTED_MAX - 1));
  await add(OWNERSHIP_RECORDS_LISTED_MAX);
  await refusedAs(records.list(), 'limit_exceeded');
});
