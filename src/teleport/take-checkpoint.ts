/**
 * A checkpoint of a running VM, which goes on: the state of its applications and their workspaces, as a snapshot of this host, and as a package of a store
 * where one is named. Progress phases: `applications`, `files`, then `publish`.
 *
 *     applications ─▶ save, files (again when files changed meanwhile) ─▶ snapshot.json ─▶ publish
 *           └────────────────┴── any failure: there is no checkpoint, nothing is published, the VM was not touched
 *
 * It is a copy: nothing is asked of the VM's ownership record and nothing changes there. Whoever restores it makes a new VM
 * (docs/adr/0110-a-checkpoint-is-a-copy.md).
 */
import { defined } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { requireApplications, workspaceRoots } from '../checkpoint/application.ts';
import type { Application } from '../checkpoint/application.ts';
import { readable } from '../checkpoint/byte-text.ts';
import { findApplications } from '../checkpoint/find-applications.ts';
import type { GuestContext } from '../checkpoint/guest-command.ts';
import type { KnownPages } from '../checkpoint/known-pages.ts';
import { ATTEMPTS_MAX, LEFT_OUT_TOLD_MAX } from '../checkpoint/limits.ts';
import { SNAPSHOT_FORMAT_VERSION } from '../snapshot/metadata.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { TeleportPackage } from '../store/teleport-storage.ts';
import { completeCheckpoint, knownPages, lastCheckpoint, readIntoPages } from './checkpoint-files.ts';
import type { KeptReading } from './checkpoint-files.ts';
import { journaled } from './journaled.ts';
import { newOperation } from './new-operation.ts';
import type { OperationListener } from './progress.ts';
import { publishCheckpoint } from './publish-checkpoint.ts';
import { Stopwatch } from './stopwatch.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface CheckpointRequest {
  readonly message: string;
  /** Null: it stays on this host. */
  readonly storeUrl: string | null;
  /** Null: those that the guest declares. */
  readonly application: Application | null;
}

export interface CheckpointTaken extends Pick<KeptReading, 'entryCount' | 'contentBytes' | 'newBytes'> {
  readonly snapshot: LocalSnapshot;
  readonly applications: readonly string[];
  readonly published: TeleportPackage | null;
  readonly timings: Readonly<Record<string, number>>;
}

/**
 * @throws KelpieError `checkpoint_invalid`, `checkpoint_hook_failed`, `checkpoint_files_changed`, `limit_exceeded`, `invalid_state`, `guest_unreachable`,
 * `disk_full`, `canceled`, and those of a store.
 */
export async function takeCheckpoint(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  request: CheckpointRequest,
  options: OperationOptions,
): Promise<CheckpointTaken> {
  const { listener, signal } = options;
  const instance = vm.requireLive('checkpoint');
  if (instance.state !== 'running')
    throw new KelpieError(
      'invalid_state',
      `cannot checkpoint "${vm.name}": it is ${instance.state}; resume it first.`,
    );
  const times = new Stopwatch(host.env.clock);
  const phase = async <T>(name: string, act: () => Promise<T>): Promise<T> => {
    listener.progress(name);
    return times.measure(name, act);
  };
  // What a store would refuse is refused before anything is asked of the guest.
  const store = request.storeUrl === null ? null : await host.openStore(request.storeUrl);
  const storeId = store === null ? null : await store.id();
  const context = { agent: await instance.agent(), clock: host.env.clock, signal };
  const applications = await phase('applications', () => applicationsOf(context, request.application));
  const snapshotId = host.env.random.uuid();
  const operation = { ...newOperation(host, vm), kind: 'checkpoint', snapshotId } as const;
  return journaled(host, registry, operation, async () => {
    const before = await lastCheckpoint(host, vm.id);
    const known = await knownPages(host, before, signal);
    const reading = await phase('files', () => settledReading(host, context, applications, known, listener));
    const metadata = describe(host, vm, context, {
      ...request,
      snapshotId,
      parentId: before?.metadata.snapshotId ?? null,
    });
    const snapshot = await completeCheckpoint(host, metadata, reading);
    const published =
      store === null || storeId === null
        ? null
        : await phase('publish', () => publishCheckpoint(host, store, storeId, snapshot, options));
    const { entryCount, contentBytes, newBytes } = reading;
    const names = applications.map(({ name }) => name);
    return {
      snapshot,
      entryCount,
      contentBytes,
      newBytes,
      applications: names,
      published,
      timings: times.all,
    };
  });
}

interface Described extends Pick<CheckpointRequest, 'message'> {
  readonly snapshotId: string;
  readonly parentId: string | null;
}

function describe(
  host: TeleportHost,
  vm: ManagedVm,
  { agent }: GuestContext,
  { snapshotId, parentId, message }: Described,
): SnapshotMetadata {
  return {
    formatVersion: SNAPSHOT_FORMAT_VERSION,
    snapshotId,
    vmId: vm.id,
    parentId: parentId ?? vm.record.snapshotId,
    kind: 'checkpoint',
    message,
    createdAtUnixMs: Math.round(host.env.clock.wallMs()),
    config: vm.record.config,
    machine: defined(vm.record.runtime, 'the process of a live VM').machine,
    source: host.facts,
    guest: { bootId: agent.bootId, generation: agent.generation },
  };
}

async function applicationsOf(
  context: GuestContext,
  asked: Application | null,
): Promise<readonly Application[]> {
  if (asked === null) return findApplications(context);
  requireApplications([asked]);
  return [asked];
}

/** A reading during which nothing changed. */
async function settledReading(
  host: TeleportHost,
  context: GuestContext,
  applications: readonly Application[],
  known: KnownPages,
  listener: OperationListener,
): Promise<KeptReading> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const reading = await readIntoPages(host, context, applications, known, (doneBytes) =>
      listener.progress('files', 'workspace', doneBytes),
    );
    if (reading === null) {
      listener.notice('files of the workspace changed while they were read: it is read again.');
      continue;
    }
    if (reading.sockets.length > 0) listener.notice(leftOut(reading.sockets));
    return reading;
  }
  const roots = workspaceRoots(applications).join(', ');
  throw new KelpieError(
    'checkpoint_files_changed',
    `files of the workspace (${roots}) changed each of the ${ATTEMPTS_MAX} times that it was read: let the application's command that writes its state hold them still.`,
  );
}

function leftOut(sockets: readonly string[]): string {
  const named = sockets.slice(0, LEFT_OUT_TOLD_MAX).map((path) => `/${readable(path)}`);
  const more = sockets.length - named.length;
  return `left out, since sockets are of a process: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`;
}
