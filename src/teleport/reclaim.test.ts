import assert from 'node:assert/strict';
import test from 'node:test';
import type { OwnershipRecord, OwnershipState } from '../store/ownership-records.ts';
import { exampleConfig } from '../../test/support/example-vm.ts';
import { RecordShelf, sampleClock } from '../../test/support/record-shelf.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { findRecord } from './find-record.ts';
import { leaseTimes } from './lease-times.ts';
import { reclaim } from './reclaim.ts';
import type { ReclaimResult } from './reclaim.ts';
import { newVmRecord } from './vm-record.ts';
import type { VmRecord } from './vm-record.ts';

const vmId = '00000000-0000-4000-8000-00000000000a';
const otherId = '00000000-0000-4000-8000-00000000000b';
const packageId = 'cd'.repeat(32);
const storeUrl = 'memory:';
const LEASE_MS = 30_000;
const lease = { durationMs: LEASE_MS };
const held: OwnershipState = { state: 'running', owner: 'host-a', packageId, lease };

function record(state: OwnershipState, changes: Partial<OwnershipRecord> = {}): OwnershipRecord {
  const common = { vmId, vmName: 'dev', epoch: 3, revision: 7, changedAtUnixMs: 0, hostName: 'alpha' };
  return { ...common, ...changes, ...state };
}

interface Case {
  readonly host?: string;
  readonly vm?: string;
  readonly force?: boolean;
  /** Whose package the store's is. */
  readonly packageOf?: string;
  /** What the reclaiming host has of the VM. */
  readonly local?: VmRecord;
  readonly signal?: AbortSignal;
}

interface Reclaimed {
  readonly shelf: RecordShelf;
  readonly clock: ReturnType<typeof sampleClock>;
  readonly notices: string[];
  readonly result: Promise<ReclaimResult>;
}

function reclaimed(records: readonly OwnershipRecord[], options: Case = {}): Reclaimed {
  const { host = 'host-b', vm = 'dev', force = false, packageOf = vmId, local, signal } = options;
  const shelf = new RecordShelf(records);
  const clock = sampleClock();
  const notices: string[] = [];
  const store = {
    ownership: shelf,
    storage: { url: storeUrl, download: async () => ({ package: { metadata: { vmId: packageOf } } }) },
  };
  const log = { info: () => undefined, error: () => undefined };
  const reclaimer = {
    identity: { id: host, name: 'beta' },
    env: { clock },
    log,
    openStore: async () => store,
  };
  const registry = { byId: () => (local === undefined ? undefined : { record: local }) };
  const listener = { progress: () => undefined, notice: (text: string) => void notices.push(text) };
  const result = reclaim(
    reclaimer,
    registry,
    { storeUrl, vm, force },
    { listener, signal: signal ?? new AbortController().signal },
  );
  return { shelf, clock, notices, result };
}

test('a VM whose lease nobody renews rests in its last package, an epoch later', async () => {
  const { shelf, clock, notices, result } = reclaimed([record(held)]);
  const expected = { vmId, vmName: 'dev', storeUrl, packageId, epoch: 4, reclaimedFrom: 'alpha' };
  assert.deepEqual(await result, expected);
  assert.equal(clock.monotonicMs(), leaseTimes(LEASE_MS).observeMs);
  assert.match(notices.join(), /waiting .* to see that alpha does not renew/);
  const after = await shelf.read(vmId);
  assert.deepEqual([after?.state, after?.epoch, after?.revision, after?.hostName], ['at-rest', 4, 8, 'beta']);
});

test('a VM that is just leaving can be reclaimed too', async () => {
  const { result } = reclaimed([record({ ...held, state: 'departing', packageId })]);
  assert.equal((await result).packageId, packageId);
});

test('a person’s word is as good as a lease that ran out, and waits for nothing', async () => {
  const { clock, notices, result } = reclaimed([record({ ...held, lease: null })], { force: true });
  assert.equal((await result).epoch, 4);
  assert.equal(clock.monotonicMs(), 0);
  assert.deepEqual(notices, []);
});

test('a host that renews, or lets go, keeps its VM from whoever watches', async () => {
  const renewed = reclaimed([record(held)]);
  await Promise.resolve();
  await renewed.shelf.compareAndSwap(7, record(held, { revision: 8 }));
  await assert.rejects(renewed.result, /alpha lives and renews its right/);
  const left = reclaimed([record(held)]);
  await Promise.resolve();
  await left.shelf.compareAndSwap(7, record({ state: 'removed' }, { revision: 8 }));
  await assert.rejects(left.result, /was removed by alpha/);
});

test('a renewal that comes with the reclaim wins', async () => {
  const { shelf, result } = reclaimed([record({ ...held, lease: null })], { force: true });
  shelf.onSwap = async () => {
    shelf.onSwap = () => Promise.resolve();
    await shelf.compareAndSwap(7, record(held, { revision: 8 }));
  };
  await refusedAs(result, 'vm_owned_elsewhere');
  assert.equal((await shelf.read(vmId))?.state, 'running');
});

test('what cannot be reclaimed is refused, and nothing changes', async () => {
  const rests: OwnershipState = { state: 'at-rest', packageId, reclaimedFrom: null };
  const local = newVmRecord({ id: vmId, config: exampleConfig, createdAtUnixMs: 0, state: 'stopped' });
  const own = { ...held, owner: 'host-b' } as const;
  const cases: readonly (readonly [Reclaimed, Parameters<typeof refusedAs>[1]])[] = [
    [reclaimed([record(rests)]), 'invalid_state'],
    [reclaimed([record({ state: 'removed' })]), 'vm_owned_elsewhere'],
    [reclaimed([record({ ...held, lease: null })]), 'vm_owned_elsewhere'],
    [reclaimed([record({ ...held, packageId: null })]), 'package_not_found'],
    [reclaimed([record(held)], { packageOf: otherId }), 'package_corrupt'],
    [reclaimed([record(own)], { local }), 'invalid_state'],
    [reclaimed([], {}), 'vm_not_found'],
  ];
  for (const [{ shelf, result }, code] of cases) {
    await refusedAs(result, code);
    assert.equal(shelf.writes, 0);
  }
});

test('a host may reclaim its own VM when it has no copy, or one that has left', async () => {
  const own = { ...held, owner: 'host-b' } as const;
  const departed = { storeUrl, packageId, epoch: 2, reclaimedBy: null };
  const left = newVmRecord({
    ...{ id: vmId, config: exampleConfig, createdAtUnixMs: 0, state: 'stopped' },
    departed,
  });
  for (const options of [{}, { local: left }])
    assert.equal((await reclaimed([record(own)], options).result).epoch, 4);
  // A copy here of a VM that is another host's is not in the way.
  const here = newVmRecord({ id: vmId, config: exampleConfig, createdAtUnixMs: 0, state: 'stopped' });
  assert.equal((await reclaimed([record(held)], { local: here }).result).epoch, 4);
});

test('of several VMs of one name the only one in a wanted state is meant, else none', async () => {
  const rests: OwnershipState = { state: 'at-rest', packageId, reclaimedFrom: null };
  const records = [record(held), record(rests, { vmId: otherId })];
  const store = { ownership: new RecordShelf(records), storage: { url: storeUrl } };
  assert.equal((await findRecord(store, 'dev', ['at-rest'])).vmId, otherId);
  assert.equal((await findRecord(store, 'dev', ['running'])).vmId, vmId);
  assert.equal((await findRecord(store, vmId, ['at-rest'])).vmId, vmId);
  for (const wanted of [['removed'], ['running', 'at-rest']] as const)
    await refusedAs(findRecord(store, 'dev', wanted), 'invalid_argument');
  for (const unknown of ['other', '00000000-0000-4000-8000-00000000000c'])
    await refusedAs(findRecord(store, unknown, ['running']), 'vm_not_found');
});
