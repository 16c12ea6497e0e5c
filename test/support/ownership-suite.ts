/** The contract of `OwnershipRecords` as tests; every implementation runs all of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../src/base/errors.ts';
import type { OwnershipRecord, OwnershipRecords, OwnershipState } from '../../src/store/ownership-records.ts';
import { refusedAs } from './store-fixture.ts';
import type { StoredObjects } from './store-fixture.ts';

const TIMEOUT_MS = 200_000;
const vmId = '00000000-0000-4000-8000-00000000000a';
const packageId = 'cd'.repeat(32);

/** A new, empty store for one test. */
export interface OwnershipFixture {
  /** Another client of the store, as another host has it. */
  open(): Promise<{ readonly ownership: OwnershipRecords }>;
  /** What the store holds, below its clients: for damaging it. */
  readonly objects: Pick<StoredObjects, 'names' | 'read' | 'write'>;
  close(): Promise<void>;
}

function runningBy(owner: string): OwnershipState {
  return { state: 'running', owner, packageId: null, lease: null };
}

/** A record of the VM that these tests are about. */
export function sampleRecord(revision: number, state: OwnershipState = runningBy('host-a')): OwnershipRecord {
  return {
    ...state,
    vmId,
    vmName: 'dev',
    epoch: revision,
    revision,
    changedAtUnixMs: 1_700_000_000_000 + revision,
    hostName: 'laptop',
  };
}

export function ownershipSuite(implementation: string, createFixture: () => Promise<OwnershipFixture>): void {
  const promise = (
    sentence: string,
    check: (records: OwnershipRecords, fixture: OwnershipFixture) => Promise<void>,
  ): void => {
    test(`${implementation}: ${sentence}`, { timeout: TIMEOUT_MS }, async () => {
      const fixture = await createFixture();
      try {
        await check((await fixture.open()).ownership, fixture);
      } finally {
        await fixture.close();
      }
    });
  };
  changesSuite(promise);
  racesSuite(promise);
}

type Promised = (
  sentence: string,
  check: (records: OwnershipRecords, fixture: OwnershipFixture) => Promise<void>,
) => void;

function changesSuite(promise: Promised): void {
  promise('a VM that nobody published has no record', async (records) => {
    assert.equal(await records.read(vmId), null);
    assert.equal(await records.read('../..'), null);
    assert.deepEqual(await records.list(), []);
  });

  promise('every state is read back as it was written, by every client', async (records, fixture) => {
    const states: readonly OwnershipState[] = [
      runningBy('host-a'),
      { state: 'running', owner: 'host-a', packageId, lease: { durationMs: 60_000 } },
      { state: 'departing', owner: 'host-a', packageId, lease: null },
      { state: 'at-rest', packageId, reclaimedFrom: null },
      { state: 'at-rest', packageId, reclaimedFrom: 'laptop' },
      { state: 'moved', storeUrl: '/mnt/other' },
      { state: 'removed' },
    ];
    const { ownership: other } = await fixture.open();
    for (const [index, state] of states.entries()) {
      await records.compareAndSwap(index, sampleRecord(index + 1, state));
      assert.deepEqual(await other.read(vmId), sampleRecord(index + 1, state));
    }
    assert.deepEqual(await other.list(), [sampleRecord(states.length, { state: 'removed' })]);
  });

  promise('a change that expects another revision writes nothing', async (records) => {
    await refusedAs(records.compareAndSwap(1, sampleRecord(2)), 'store_conflict');
    assert.equal(await records.read(vmId), null);
    for (const revision of [1, 2, 3]) await records.compareAndSwap(revision - 1, sampleRecord(revision));
    for (const expected of [0, 1, 2, 4, 5]) {
      await refusedAs(
        records.compareAndSwap(expected, sampleRecord(expected + 1, { state: 'removed' })),
        'store_conflict',
      );
    }
    assert.deepEqual(await records.read(vmId), sampleRecord(3));
  });

  promise('a long history does not let an old revision come back', async (records) => {
    for (let revision = 1; revision <= 50; revision += 1)
      await records.compareAndSwap(revision - 1, sampleRecord(revision));
    for (let expected = 0; expected < 50; expected += 1) {
      await refusedAs(records.compareAndSwap(expected, sampleRecord(expected + 1)), 'store_conflict');
    }
    assert.deepEqual(await records.read(vmId), sampleRecord(50));
    assert.equal((await records.list()).length, 1);
  });

  promise('a damaged record is not taken for another one', async (records, { objects }) => {
    await records.compareAndSwap(0, sampleRecord(1));
    const name = (await objects.names()).find((candidate) => candidate.includes(vmId));
    assert.ok(name !== undefined);
    const bytes = await objects.read(name);
    for (const damaged of [
      bytes.slice(0, -1),
      new Uint8Array(0),
      new TextEncoder().encode('{"formatVersion":1}'),
    ]) {
      await objects.write(name, damaged);
      await refusedAs(records.read(vmId), 'package_corrupt');
      await assert.rejects(records.list(), new RegExp(vmId));
    }
    await objects.write(name, new TextEncoder().encode('{"formatVersion":99,"new":true}'));
    await refusedAs(records.read(vmId), 'package_too_new');
  });

  promise('a record that nobody could read back is not written', async (records) => {
    await refusedAs(records.compareAndSwap(0, { ...sampleRecord(1), vmName: '../dev' }), 'package_corrupt');
    assert.equal(await records.read(vmId), null);
  });
}

function racesSuite(promise: Promised): void {
  promise('of many writers that race, exactly one wins each round', async (_, fixture) => {
    const clients = await Promise.all(
      Array.from({ length: 8 }, async () => (await fixture.open()).ownership),
    );
    for (let revision = 1; revision <= 25; revision += 1) {
      const outcomes = await Promise.allSettled(
        clients.map(
          async (client, index) =>
            await client.compareAndSwap(revision - 1, sampleRecord(revision, runningBy(`host-${index}`))),
        ),
      );
      const winners = outcomes.flatMap((outcome, index) =>
        outcome.status === 'fulfilled' ? [`host-${index}`] : [],
      );
      assert.equal(winners.length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected')
          assert.ok(isKelpieError(outcome.reason, 'store_conflict'), String(outcome.reason));
      }
      const record = await clients[0]?.read(vmId);
      assert.deepEqual(record, sampleRecord(revision, runningBy(winners[0] ?? '')));
    }
  });

  promise('readers see revisions only grow while writers change them', async (records, fixture) => {
    const { ownership: reader } = await fixture.open();
    const writing = { isDone: false };
    const reading = (async () => {
      let last = 0;
      let reads = 0;
      while (!writing.isDone) {
        const { revision } = (await reader.read(vmId)) ?? { revision: 0 };
        assert.ok(revision >= last, `revision ${revision} after ${last}`);
        last = revision;
        reads += 1;
      }
      return reads;
    })();
    for (let revision = 1; revision <= 100; revision += 1)
      await records.compareAndSwap(revision - 1, sampleRecord(revision));
    writing.isDone = true;
    assert.ok((await reading) > 1);
  });
}
