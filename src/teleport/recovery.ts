/**
 * After a crash of the daemon (or of the host): every operation in the journal is rolled forward or back, every VM that runs is found again.
 *
 *     operation                    table in
 *     create start stop snapshot   settle-local.ts
 *     fork checkpoint restore
 *     remove
 *     teleport                     settle-teleport.ts
 *     claim                        settle-claim.ts
 *     deposit                      settle-deposit.ts
 *     supersede                    supersede.ts
 *     none, frozen by its lease    asked of its store first, then adopted
 *     none, the record is live     adopted; when it is gone: crashed, restorable from its snapshots or disk
 *     none, the record says that   adopted, and told to go on
 *     it runs, it stands still
 *     none, a tombstone and a      ended: nothing of a departed VM runs here
 *     process
 *     a run directory that no      its processes are ended, its files removed
 *     live VM has
 *
 * The order matters: VMs are adopted before operations are settled, so that settling can let them go on; blobs are collected after all of
 * it, when every record tells the truth.
 */
import { asError, isKelpieError } from '../base/errors.ts';
import { isSystemError } from '../env/system-error.ts';
import { removeStray } from './managed-vm.ts';
import { settleClaim } from './settle-claim.ts';
import { settleDeposit } from './settle-deposit.ts';
import { settleLocal } from './settle-local.ts';
import { settleTeleport } from './settle-teleport.ts';
import { settleSupersede } from './supersede.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { Operation } from './operations.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

/** Rolls one operation forward or back. Idempotent. @throws KelpieError when that must wait, for a store above all. */
export async function settle(host: TeleportHost, registry: VmRegistry, operation: Operation): Promise<void> {
  if (operation.kind === 'deposit') {
    await settleDeposit(host, operation);
    return;
  }
  await readRecordAgain(registry, operation);
  if (operation.kind === 'claim') {
    await settleClaim(host, registry, operation);
    // One that was done runs here, and was not looked for before.
    const claimed = registry.byId(operation.vmId);
    return claimed === undefined ? undefined : findAgain(host, claimed);
  }
  const vm = registry.byId(operation.vmId);
  if (operation.kind === 'supersede')
    return vm === undefined ? host.journal.remove(operation) : settleSupersede(host, vm, operation);
  if (vm !== undefined && !endsProcess(operation)) await findAgain(host, vm);
  if (operation.kind !== 'teleport') return settleLocal(host, registry, operation);
  // It was removed since, and its copy elsewhere is nobody's business here.
  if (vm === undefined) return host.journal.remove(operation);
  await settleTeleport(host, vm, operation);
}

/**
 * What the record says decides: a claim that was done must not be put to rest because it could not be read. One that is damaged says nothing any more;
 * that keeps nobody from removing its VM.
 */
async function readRecordAgain(registry: VmRegistry, { kind, vmId }: Operation): Promise<void> {
  try {
    await registry.readAgain(vmId);
  } catch (error) {
    const isRemoval = kind === 'create' || kind === 'remove';
    if (!isRemoval || isSystemError(error)) throw error;
  }
}

export interface Recovered {
  /** Could not be found again now, for a reason that may pass: `findAgain` is to be tried until it succeeds. */
  readonly missing: readonly ManagedVm[];
  /** Stand still though they were left running, and nothing under way explains it: `goOn` is to be tried until it succeeds. */
  readonly stalled: readonly ManagedVm[];
}

/** Brings the host back to where every VM and every operation is in a known state. Called once, before anything else. */
export async function recover(host: TeleportHost, registry: VmRegistry): Promise<Recovered> {
  await host.journal.sweep();
  const { entries, damaged } = await host.journal.readAll();
  for (const { path, reason } of damaged) host.log.error({ event: 'journal-entry-damaged', path, reason });
  const isEnding = new Set(entries.filter(endsProcess).map((entry) => entry.vmId));
  const isUnderWay = new Set(entries.map((entry) => entry.vmId));
  const missing: ManagedVm[] = [];
  const stalled: ManagedVm[] = [];
  for (const vm of registry.all) {
    if (isEnding.has(vm.id)) continue;
    const wasRunning = vm.record.state === 'running';
    if (!(await isFoundAgain(host, vm))) missing.push(vm);
    else if (wasRunning && vm.instance?.state === 'paused' && !isUnderWay.has(vm.id)) stalled.push(vm);
  }
  for (const operation of entries) await settleOrHold(host, registry, operation);
  await removeStrayRuns(host, registry);
  return { missing, stalled };
}

/** Lets a VM go on that its VMM has stopped, as QEMU does when a write finds no room on the disk. @throws what keeps it from that now. */
export async function goOn(host: TeleportHost, vm: ManagedVm): Promise<void> {
  if (vm.instance === null || vm.record.state !== 'paused') return;
  try {
    await host.leases.renew(vm);
  } catch (error) {
    // It stays paused, and is superseded next.
    if (isKelpieError(error, 'vm_owned_elsewhere')) return;
    throw error;
  }
  await vm.instance.resume();
}

const leavesAlive: ReadonlySet<Operation['kind']> = new Set([
  'snapshot',
  'suspend',
  'fork',
  'checkpoint',
  'teleport',
]);

/** Operations whose settling ends whatever runs: adopting it first would be for nothing, or is part of it. */
function endsProcess({ kind }: Operation): boolean {
  return !leavesAlive.has(kind);
}

async function isFoundAgain(host: TeleportHost, vm: ManagedVm): Promise<boolean> {
  try {
    // The store must be asked first, and nobody can be served while that takes.
    if (await isFrozen(host, vm)) return false;
    await findAgain(host, vm);
    return true;
  } catch (error) {
    host.log.error({ event: 'vm-not-adopted', vmId: vm.id, err: asError(error) });
    return false;
  }
}

/** False when it is another host's now: it stays frozen, and is superseded next. @throws what keeps the store from saying so. */
async function isThawed(host: TeleportHost, vm: ManagedVm): Promise<boolean> {
  try {
    await host.leases.secure(vm);
    return true;
  } catch (error) {
    if (isKelpieError(error, 'vm_owned_elsewhere')) return false;
    throw error;
  }
}

/** Its processes were stopped when its lease ran out. */
async function isFrozen(host: TeleportHost, { id, record }: ManagedVm): Promise<boolean> {
  if (record.runtime === null || record.departed !== null || !(await host.leases.isFrozen(id))) return false;
  return await host.env.processes.isAlive(record.runtime.process);
}

/**
 * Adopts what runs of a VM; its record says so when nothing does. Nothing is done for a VM whose instance is known.
 * @throws what keeps us from knowing; the record is as before then.
 */
export async function findAgain(host: TeleportHost, vm: ManagedVm): Promise<void> {
  if (vm.instance !== null) return;
  if (vm.record.departed !== null) {
    if (vm.record.runtime === null) return;
    await vm.kill();
    await vm.markDead('stopped', null);
  } else if (vm.record.runtime !== null) {
    if (await isFrozen(host, vm)) {
      if (!(await isThawed(host, vm))) return;
      await noteToGoOn(vm);
    }
    try {
      await vm.adopt();
    } catch (error) {
      // It is gone, and the record says so now.
      if (!isKelpieError(error, 'vm_crashed')) throw error;
    }
  } else if (vm.isLive) {
    await vm.markDead('crashed', 'it ended while the daemon was away');
  }
}

/**
 * The daemon before may have paused it when its lease ran out, and died before that was written down: found paused, it would be taken for one that a person
 * paused. With this its lease lets it go on.
 */
async function noteToGoOn(vm: ManagedVm): Promise<void> {
  const { state, ownership } = vm.record;
  if (state !== 'running' || ownership === null) return;
  await vm.update({ ownership: { ...ownership, leasePause: 'ending' } });
}

async function settleOrHold(host: TeleportHost, registry: VmRegistry, operation: Operation): Promise<void> {
  try {
    await settle(host, registry, operation);
    host.log.info({
      event: 'operation-settled',
      operationId: operation.id,
      kind: operation.kind,
      vmId: operation.vmId,
    });
  } catch (error) {
    host.hold(operation, error);
  }
}

async function removeStrayRuns(host: TeleportHost, registry: VmRegistry): Promise<void> {
  const known = new Set(registry.all.filter((vm) => vm.isLive).map((vm) => host.places.runDirectory(vm.id)));
  for (const { id } of registry.damaged) known.add(host.places.runDirectory(id));
  for (const name of await host.env.files.list(host.places.runsDirectory)) {
    const directory = `${host.places.runsDirectory}/${name}`;
    if (!known.has(directory)) await removeStray(host, directory);
  }
}
