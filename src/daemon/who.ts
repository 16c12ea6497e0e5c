/** Who may run a VM, and why: the store's record, this host's view of it, and what is under way, in sentences. */
import { asError } from '../base/errors.ts';
import { formatDurationMs } from '../base/units.ts';
import { findRecord } from '../teleport/find-record.ts';
import { leaseTimes } from '../teleport/lease-times.ts';
import { isHeld } from '../teleport/ownership.ts';
import { ownRecord } from '../teleport/right-to-run.ts';
import { isPausedByLease } from '../teleport/vm-record.ts';
import type { OwnershipRecord } from '../store/ownership-records.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { HeldRecord } from '../teleport/ownership.ts';
import type { LocalRightView, OperationView, RecordView, WhoView } from './api/ownership.ts';
import type { Supervisor } from './supervisor.ts';

/** @throws KelpieError `vm_not_found` when neither this host nor the store that was named knows it. */
export async function whoMayRun(
  supervisor: Supervisor,
  reference: string,
  askedUrl: string | null,
): Promise<WhoView> {
  const { host, registry } = supervisor;
  const here = registry.byId(reference) ?? registry.byName(reference);
  if (here === undefined && askedUrl === null) registry.require(reference);
  const storeUrl = askedUrl ?? here?.record.ownership?.storeUrl ?? here?.record.departed?.storeUrl ?? null;
  const found = storeUrl === null ? null : await ask(supervisor, storeUrl, reference, here);
  const record = found?.record ?? null;
  const vm = here ?? (record === null ? undefined : registry.byId(record.vmId));
  const trouble = found?.trouble ?? null;
  return {
    vmId: record?.vmId ?? vm?.id ?? '',
    vmName: record?.vmName ?? vm?.name ?? reference,
    storeUrl,
    record: record === null ? null : viewRecord(record),
    trouble,
    local: vm === undefined ? null : viewLocal(supervisor, vm),
    operations: await operationsOf(supervisor, record?.vmId ?? vm?.id ?? ''),
    mayRun: mayRun(supervisor, storeUrl, record, vm),
    because: [
      ...recordSentences(storeUrl, record, trouble, host.env.clock.wallMs()),
      ...(vm === undefined ? [] : localSentences(supervisor, vm, record)),
    ],
  };
}

interface Asked {
  readonly record: OwnershipRecord | null;
  readonly trouble: string | null;
}

/** A store that does not answer is part of the answer; a VM that nobody knows is not. */
async function ask(
  { host }: Supervisor,
  storeUrl: string,
  reference: string,
  here: ManagedVm | undefined,
): Promise<Asked> {
  try {
    const store = await host.openStore(storeUrl);
    if (here === undefined)
      return {
        record: await findRecord(store, reference, ['running', 'departing', 'at-rest']),
        trouble: null,
      };
    return { record: await store.ownership.read(here.id), trouble: null };
  } catch (error) {
    if (here === undefined) throw error;
    return { record: null, trouble: asError(error).message };
  }
}

function mayRun(
  { host }: Supervisor,
  storeUrl: string | null,
  record: OwnershipRecord | null,
  vm: ManagedVm | undefined,
): string | null {
  if (storeUrl === null) return vm === undefined ? null : host.identity.name;
  if (record === null) return vm !== undefined && vm.record.ownership === null ? host.identity.name : null;
  return isHeld(record) ? record.hostName : null;
}

function recordSentences(
  storeUrl: string | null,
  record: OwnershipRecord | null,
  trouble: string | null,
  nowUnixMs: number,
): readonly string[] {
  if (storeUrl === null) return ['It was never in a store: only this host may run it.'];
  if (trouble !== null) return [`What ${storeUrl} says is not known: ${trouble}`];
  if (record === null) return [`${storeUrl} has no record of it.`];
  const since = `since epoch ${record.epoch}`;
  switch (record.state) {
    case 'running':
      return [`${record.hostName} may run it, ${since}.`, leaseSentence(record, nowUnixMs)];
    case 'departing':
      return [
        `${record.hostName} has it, ${since}, and is about to put it to rest in package ${record.packageId}.`,
        leaseSentence(record, nowUnixMs),
      ];
    case 'at-rest':
      return [
        record.reclaimedFrom === null
          ? `Nobody runs it: it is at rest in package ${record.packageId}, ${since}; the first to restore it may.`
          : `Nobody may run it: ${record.hostName} took it from ${record.reclaimedFrom} and put it to rest in package ${record.packageId}, ${since}; the first to restore it may.`,
      ];
    case 'moved':
      return [`It went on to ${record.storeUrl}: ask there.`];
    case 'removed':
      return [`It was removed by ${record.hostName}: nobody may ever run it again.`];
    default:
      return record satisfies never;
  }
}

/** Wall clocks of two hosts are compared here, for people only: nothing acts on it. */
function leaseSentence(
  { lease, changedAtUnixMs, hostName, packageId }: HeldRecord,
  nowUnixMs: number,
): string {
  if (lease === null)
    return `It has no lease: should ${hostName} be gone for good, \`kelpie reclaim --force\` takes it, by your word.`;
  const { durationMs } = lease;
  const ageMs = Math.max(0, nowUnixMs - changedAtUnixMs);
  const age = `its lease of ${formatDurationMs(durationMs)} was renewed about ${formatDurationMs(ageMs)} ago`;
  if (ageMs < durationMs) return `It is alive: ${age}.`;
  const waitMs = leaseTimes(durationMs).observeMs;
  const way =
    packageId === null
      ? 'nothing of it was published that it could go back to'
      : `\`kelpie reclaim\` takes it after ${formatDurationMs(waitMs)} of watching`;
  return `It seems to be gone: ${age}; ${way}.`;
}

function localSentences(
  { host }: Supervisor,
  vm: ManagedVm,
  record: OwnershipRecord | null,
): readonly string[] {
  const { ownership, departed, state } = vm.record;
  if (departed !== null) {
    const { storeUrl, reclaimedBy } = departed;
    return [
      reclaimedBy === null
        ? `From this host it went to ${storeUrl}.`
        : `This host had it until ${reclaimedBy} reclaimed it; what was done here is kept as a snapshot where that was possible.`,
    ];
  }
  if (ownership === null) return [`On this host it is ${state}.`];
  if (record !== null && ownRecord(record, host.identity.id, ownership.epoch) === null)
    return [`This host still has a copy (${state}), which may not run and is about to be ended.`];
  const lease = host.leases.view(vm.id);
  if (lease === null) return [`On this host it is ${state}.`];
  if (isPausedByLease(vm.record))
    return [`On this host it is paused until its lease is renewed: ${lease.trouble ?? 'asking the store'}.`];
  return [
    `On this host it is ${state}; unless the lease is renewed, it is paused in ${formatDurationMs(lease.leftMs)}.`,
  ];
}

function viewRecord(record: OwnershipRecord): RecordView {
  const { state, epoch, revision, changedAtUnixMs, hostName } = record;
  return {
    state,
    epoch,
    revision,
    changedAtUnixMs,
    hostName,
    owner: 'owner' in record ? record.owner : null,
    packageId: 'packageId' in record ? record.packageId : null,
    leaseMs: 'lease' in record ? (record.lease?.durationMs ?? null) : null,
    reclaimedFrom: 'reclaimedFrom' in record ? record.reclaimedFrom : null,
    movedTo: 'storeUrl' in record ? record.storeUrl : null,
  };
}

function viewLocal({ host }: Supervisor, vm: ManagedVm): LocalRightView {
  const { state, ownership, departed } = vm.record;
  const lease = host.leases.view(vm.id);
  return {
    state: departed === null ? state : 'departed',
    epoch: ownership?.epoch ?? departed?.epoch ?? null,
    leaseMs: ownership?.leaseMs ?? null,
    leaseLeftMs: lease === null ? null : Math.round(lease.leftMs),
    leaseTrouble: lease?.trouble ?? null,
    isLeasePaused: isPausedByLease(vm.record),
  };
}

async function operationsOf({ host }: Supervisor, vmId: string): Promise<readonly OperationView[]> {
  const { entries } = await host.journal.readAll();
  return entries
    .filter((entry) => entry.vmId === vmId)
    .map((entry) => ({
      kind: entry.kind,
      step: 'step' in entry ? entry.step : null,
      startedAtUnixMs: entry.startedAtUnixMs,
    }));
}
