/**
 * What becomes of a teleport that was cut, by an error or by a crash: back to running here, or forward to gone. The rule: *the VM runs on
 * only where nobody else can have got it*.
 *
 *     journal says   the store's record says           so
 *     preparing      (not asked)                        stay
 *     departing      (not asked: nothing was given)     stay; the record is put back when the store answers
 *     committing     ours still (running, departing)    fence the commit by a new revision, then stay
 *     committing     an epoch of the commit or later    gone
 *     committing     as that, but of an older package   reclaimed meanwhile: the copy here is superseded
 *     committing     no answer                          neither: paused and held, asked again later
 *     committed      (not asked)                        gone
 */
import { defined } from '../base/assert.ts';
import { KelpieError, asError, isKelpieError } from '../base/errors.ts';
import { keepOrRemoveSnapshot } from './settle-snapshot.ts';
import { heritageOf, isOwnedBy, nextRecord, ownedElsewhere, swap } from './ownership.ts';
import { recordVanished } from './right-to-run.ts';
import { supersede } from './supersede.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportOperation } from './operations.ts';
import type { Store } from '../store/open-store.ts';
import type { TeleportHost } from './teleport-host.ts';

export type TeleportOutcome = 'stayed' | 'departed';

/** How often a record may change under our hands before we give up for now. */
const FENCE_ATTEMPTS_MAX = 5;

/** Idempotent; the journal entry is gone when this resolves. @throws KelpieError when the store must be asked and does not answer. */
export async function settleTeleport(
  host: TeleportHost,
  vm: ManagedVm,
  operation: TeleportOperation,
): Promise<TeleportOutcome> {
  const fate = await fateOf(host, operation);
  if (fate === 'departed') {
    await endDeparted(host, vm, operation);
    return 'departed';
  }
  if (fate === 'stayed') await resumeHere(host, vm, operation);
  else await supersede(host, vm, fate, operation.storeUrl);
  await keepOrRemoveSnapshot(host, vm, operation.snapshotId);
  if (fate === 'stayed' && operation.step !== 'preparing') await stayKnown(host, vm, operation);
  await host.journal.remove(operation);
  // The announcement had ended that, and a VM that stands still has not asked for its right since.
  if (fate === 'stayed') host.leases.watch(vm);
  return 'stayed';
}

/** What became of the VM; a record: that of whoever reclaimed it. */
type Fate = 'departed' | 'stayed' | OwnershipRecord;

async function fateOf(host: TeleportHost, operation: TeleportOperation): Promise<Fate> {
  if (operation.step === 'committed') return 'departed';
  return operation.step === 'committing' ? await askFate(host, operation) : 'stayed';
}

/** Asks the store until its answer cannot change any more: the commit is there, or can never come. */
async function askFate(host: TeleportHost, operation: TeleportOperation): Promise<Fate> {
  const { ownership } = await host.openStore(operation.storeUrl);
  for (let attempt = 0; attempt < FENCE_ATTEMPTS_MAX; attempt += 1) {
    const record = await ownership.read(operation.vmId);
    // It was announced there.
    if (record === null) throw recordVanished(operation.vmName, operation.storeUrl);
    if (record.epoch >= operation.commitEpoch) return isReclaim(record, operation) ? record : 'departed';
    if (!isOwnedBy(record, host.identity.id)) throw ownedElsewhere(record, operation.vmName);
    // A commit that is still on its way expects the present revision: after this one it cannot be taken.
    if ((await swap(host, ownership, record, runningHere(host, operation, record))).isWon) return 'stayed';
  }
  throw new KelpieError('store_conflict', `the store's record of "${operation.vmName}" keeps changing.`);
}

/**
 * A reclaim takes the same epoch as our commit, but goes back to the package before ours, and the claim after it says so. Later changes tell no more which of the two it
 * was; the copy here ends either way, and its snapshot stays.
 */
function isReclaim(record: OwnershipRecord, { commitEpoch, packageId }: TeleportOperation): boolean {
  if (record.state !== 'at-rest' && record.state !== 'running') return false;
  if (record.packageId === null || record.epoch > commitEpoch + 1) return false;
  return record.packageId !== packageId;
}

function runningHere(
  host: TeleportHost,
  operation: TeleportOperation,
  record: OwnershipRecord | null,
): OwnershipRecord {
  return nextRecord(host, operation, record, {
    epoch: operation.commitEpoch - 1,
    state: { state: 'running', owner: host.identity.id, ...heritageOf(record) },
  });
}

async function resumeHere(host: TeleportHost, vm: ManagedVm, operation: TeleportOperation): Promise<void> {
  if (!operation.wasRunning || vm.record.state !== 'paused' || vm.instance === null) return;
  try {
    await host.leases.renew(vm);
  } catch (error) {
    // It stays paused, and is superseded next.
    if (isKelpieError(error, 'vm_owned_elsewhere')) return;
    throw error;
  }
  try {
    await vm.instance.resume();
  } catch (error) {
    // Paused VMs die too; the snapshot that was just taken is then kept, and it is restorable.
    if (vm.isLive) throw error;
  }
}

/** The store knows this VM now: a reclaim there must be found out about. */
async function stayKnown(host: TeleportHost, vm: ManagedVm, operation: TeleportOperation): Promise<void> {
  if (vm.record.ownership === null) {
    const { storeUrl, commitEpoch } = operation;
    await vm.update({ ownership: { storeUrl, epoch: commitEpoch - 1, leaseMs: null, leasePause: 'none' } });
  }
  await tellStayed(host, operation);
}

/**
 * For people: without it the record says "departing" until the next teleport. Nobody can claim it either way. A store that was never told of the VM is told
 * that it runs here: what may still be on its way there comes too late then.
 */
async function tellStayed(host: TeleportHost, operation: TeleportOperation): Promise<void> {
  try {
    const { ownership }: Store = await host.openStore(operation.storeUrl);
    const record = await ownership.read(operation.vmId);
    const isDeparting = record?.state === 'departing' && record.owner === host.identity.id;
    if (record !== null && !isDeparting) return;
    await swap(host, ownership, record, runningHere(host, operation, record));
  } catch (error) {
    host.log.error({
      event: 'ownership-not-told',
      vmId: operation.vmId,
      storeUrl: operation.storeUrl,
      err: asError(error),
    });
  }
}

/** After the commit: the tombstone first, so that from here on no crash can bring the VM back to life here. */
async function endDeparted(host: TeleportHost, vm: ManagedVm, operation: TeleportOperation): Promise<void> {
  const previousStore = vm.record.ownership;
  const packageId = defined(operation.packageId, 'the package of a committed teleport');
  await vm.update({
    departed: { storeUrl: operation.storeUrl, packageId, epoch: operation.commitEpoch, reclaimedBy: null },
    ownership: null,
    snapshotId: operation.snapshotId,
  });
  await vm.kill();
  await host.leases.drop(vm.id);
  await host.snapshots.dropAside(vm.id);
  await vm.update({ state: 'stopped', reason: null, runtime: null, startedAtUnixMs: null, disk: [] });
  if (previousStore !== null && previousStore.storeUrl !== operation.storeUrl) {
    await tellMoved(host, operation, previousStore.storeUrl);
  }
  await host.journal.remove(operation);
}

/** The store that the VM came from says where it went. Until then it says that this host runs it, which nobody can claim. */
async function tellMoved(host: TeleportHost, operation: TeleportOperation, storeUrl: string): Promise<void> {
  try {
    const { ownership } = await host.openStore(storeUrl);
    const record = await ownership.read(operation.vmId);
    if (record === null || !isOwnedBy(record, host.identity.id)) return;
    const state = { state: 'moved', storeUrl: operation.storeUrl } as const;
    await swap(
      host,
      ownership,
      record,
      nextRecord(host, operation, record, { epoch: operation.commitEpoch, state }),
    );
  } catch (error) {
    host.log.error({ event: 'ownership-not-told', vmId: operation.vmId, storeUrl, err: asError(error) });
  }
}
