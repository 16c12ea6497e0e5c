import assert from 'node:assert/strict';
import test from 'node:test';
import { KelpieError } from '../base/errors.ts';
import type { OwnershipRecord, OwnershipRecords, OwnershipState } from '../store/ownership-records.ts';
import { RecordShelf, sampleClock } from '../../test/support/record-shelf.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { checkMayDepart, heritageOf, isOwnedBy, nextRecord, ownedElsewhere, swap } from './ownership.ts';

const vm = { vmId: '00000000-0000-4000-8000-00000000000a', vmName: 'dev' };
const clock = sampleClock();
const host = { identity: { id: 'host-a', name: 'alpha' }, env: { clock } };
/** What is waited before a second try, and before a third. */
const WAITS_MS = [250, 500] as const;
const packageId = 'cd'.repeat(32);
const lease = { durationMs: 30_000 };
const runs: OwnershipState = { state: 'running', owner: 'host-a', packageId: null, lease: null };
const leaves: OwnershipState = { state: 'departing', owner: 'host-a', packageId, lease };
const rests: OwnershipState = { state: 'at-rest', packageId, reclaimedFrom: null };
const moved: OwnershipState = { state: 'moved', storeUrl: 's3://other' };

function record(state: OwnershipState, previous: OwnershipRecord | null = null, epoch = 3): OwnershipRecord {
  return nextRecord(host, vm, previous, { epoch, state });
}

function unavailable(): KelpieError {
  return new KelpieError('store_unavailable', 'the store does not answer.');
}

test('a record follows the one before, and says who wrote it', () => {
  const first = record(runs);
  assert.equal(first.revision, 1);
  assert.equal(first.hostName, 'alpha');
  assert.deepEqual([first.vmId, first.vmName, first.epoch], [vm.vmId, 'dev', 3]);
  const second = record(rests, first, 4);
  assert.deepEqual([second.revision, second.epoch, second.state], [2, 4, 'at-rest']);
});

test('what stays with its owner keeps package and lease; what nobody holds has none', () => {
  assert.deepEqual(heritageOf(record(leaves)), { packageId, lease });
  assert.deepEqual(heritageOf(record(rests)), { packageId: null, lease: null });
  assert.deepEqual(heritageOf(null), { packageId: null, lease: null });
});

test('a VM may leave from where nobody else has it', () => {
  assert.ok(isOwnedBy(record(runs), 'host-a'));
  assert.ok(!isOwnedBy(record(runs), 'host-b'));
  assert.ok(!isOwnedBy(record(rests), 'host-a'));
  for (const before of [null, record(runs), record(leaves), record(moved)])
    checkMayDepart(before, 'host-a', 'dev');
  for (const before of [record(runs), record(leaves)])
    assert.throws(() => checkMayDepart(before, 'host-b', 'dev'), { code: 'vm_owned_elsewhere' });
  for (const before of [record(rests), record({ state: 'removed' })])
    assert.throws(() => checkMayDepart(before, 'host-a', 'dev'), { code: 'vm_owned_elsewhere' });
});

test('whoever is refused is told where the VM is', () => {
  const sentences: readonly (readonly [OwnershipState, RegExp])[] = [
    [runs, /runs on alpha/],
    [leaves, /just leaving alpha/],
    [rests, new RegExp(`at rest in this store as package ${packageId}`)],
    [moved, /went on to s3:\/\/other/],
    [{ state: 'removed' }, /was removed by alpha/],
  ];
  for (const [state, sentence] of sentences) {
    const error = ownedElsewhere(record(state), 'dev');
    assert.match(error.message, sentence);
    assert.equal(error.data['state'], state.state);
  }
});

test('a change of what is there is won, and one of what was there is lost', async () => {
  const shelf = new RecordShelf();
  const first = record(runs);
  assert.deepEqual(await swap(host, shelf, null, first), { isWon: true });
  const second = record(rests, first, 4);
  assert.deepEqual(await swap(host, shelf, first, second), { isWon: true });
  const late = record(leaves, first);
  assert.deepEqual(await swap(host, shelf, first, late), { isWon: false, current: second });
  assert.deepEqual(await swap(host, shelf, null, first), { isWon: false, current: second });
  assert.equal(shelf.writes, 2);
});

test('a change whose answer is lost is found to be made, at the first look', async () => {
  const shelf = new RecordShelf();
  shelf.onSwapped = () => Promise.reject(unavailable());
  assert.deepEqual(await swap(host, shelf, null, record(runs)), { isWon: true });
  assert.equal(shelf.asked, 1);
});

test('a change that did not arrive is tried again, no more than three times in all', async () => {
  for (const failures of [1, 2]) {
    const shelf = new RecordShelf();
    shelf.onSwap = () => (shelf.asked <= failures ? Promise.reject(unavailable()) : Promise.resolve());
    const startMs = clock.monotonicMs();
    assert.deepEqual(await swap(host, shelf, null, record(runs)), { isWon: true });
    assert.equal(shelf.asked, failures + 1);
    const waitedMs = WAITS_MS.slice(0, failures).reduce((sum, waitMs) => sum + waitMs, 0);
    assert.equal(clock.monotonicMs() - startMs, waitedMs);
  }
  const dead = new RecordShelf();
  dead.onSwap = () => Promise.reject(unavailable());
  await refusedAs(swap(host, dead, null, record(runs)), 'store_unavailable');
  assert.equal(dead.asked, 3);
});

test('a store that answers neither leaves the outcome unknown', async () => {
  const shelf = new RecordShelf();
  let reads = 0;
  const deaf: OwnershipRecords = {
    compareAndSwap: () => Promise.reject(unavailable()),
    read: () => {
      reads += 1;
      return Promise.reject(unavailable());
    },
    list: () => shelf.list(),
  };
  const startMs = clock.monotonicMs();
  await refusedAs(swap(host, deaf, null, record(runs)), 'store_unavailable');
  assert.equal(reads, 3);
  assert.equal(clock.monotonicMs() - startMs, WAITS_MS[0] + WAITS_MS[1]);
});

test('a change that somebody else made meanwhile is not taken for ours, however alike', async () => {
  const first = record(runs);
  const ours = record(rests, first, 4);
  const others: readonly OwnershipRecord[] = [
    { ...ours, changedAtUnixMs: ours.changedAtUnixMs + 1 },
    { ...ours, epoch: 5 },
    { ...ours, hostName: 'beta' },
    { ...ours, ...rests, packageId: 'ef'.repeat(32) },
    { ...ours, ...runs, owner: 'host-b' },
  ];
  for (const other of others) {
    const shelf = new RecordShelf([first]);
    shelf.onSwap = async () => {
      shelf.onSwap = () => Promise.resolve();
      await shelf.compareAndSwap(1, other);
      throw unavailable();
    };
    assert.deepEqual(await swap(host, shelf, first, ours), { isWon: false, current: other });
  }
});
