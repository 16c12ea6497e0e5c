/**
 * A checkpoint becomes a new VM: a fresh boot of an image of this host, for whatever architecture was asked for, in which the workspaces, the variables and
 * the state of its applications are put back. Progress phases: `download`, the backend's, `files`, `reload`.
 *
 *     take over ─▶ check ─▶ boot ─▶ files ─▶ reload ─▶ done
 *         └──────────┴────────┴───────┴────────┴── any failure: there never was such a VM; the checkpoint is as it was
 */
import { MIB } from '../base/units.ts';
import { ArchiveReader } from '../checkpoint/archive-reader.ts';
import type { StoredEntry } from '../checkpoint/archive-reader.ts';
import type { GuestContext } from '../checkpoint/guest-command.ts';
import { parseHead } from '../checkpoint/head.ts';
import type { CheckpointHead } from '../checkpoint/head.ts';
import { bytesOf, putBack, tooSmall } from '../checkpoint/put-back.ts';
import { reloadState } from '../checkpoint/run-hook.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import { checkpointHead, checkpointMap } from './checkpoint-files.ts';
import { takeOver } from './fetch-checkpoint.ts';
import type { CheckpointOrigin } from './fetch-checkpoint.ts';
import { journaled } from './journaled.ts';
import { bootVm } from './lifecycle.ts';
import { newOperation } from './new-operation.ts';
import { Stopwatch } from './stopwatch.ts';
import { newVmRecord } from './vm-record.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { VmRecord } from './vm-record.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface CheckpointRestored {
  readonly vm: ManagedVm;
  readonly timings: Readonly<Record<string, number>>;
  readonly downloadedBytes: number;
}

/**
 * @throws KelpieError `checkpoint_hook_failed`, `limit_exceeded` (its disk is too small), `snapshot_corrupt`, `package_corrupt`, `guest_failed`, `disk_full`,
 * `canceled`, those of a boot and of a store.
 */
export async function restoreCheckpoint(
  host: TeleportHost,
  registry: VmRegistry,
  origin: CheckpointOrigin,
  plan: Pick<VmRecord, 'id' | 'config'> & Partial<Pick<VmRecord, 'backend'>>,
  options: OperationOptions,
): Promise<CheckpointRestored> {
  const { id, config, backend = null } = plan;
  const times = new Stopwatch(host.env.clock);
  const operation = { ...newOperation(host, { id, name: config.name }), kind: 'create' } as const;
  return journaled(host, registry, operation, async () => {
    const createdAtUnixMs = operation.startedAtUnixMs;
    const vm = await registry.add(newVmRecord({ id, config, backend, createdAtUnixMs }));
    options.listener.progress('download');
    const taken = await times.measure('download', () => takeOver(host, origin, plan, options));
    const { download, downloadedBytes, snapshot } = taken;
    await withArchive(host, snapshot, async (archive, head) => {
      const entries = await archive.entries(head);
      if (bytesOf(entries) > config.diskMib * MIB) throw tooSmall(entries);
      const { timings } = await bootVm(host, vm, options);
      for (const [name, durationMs] of Object.entries(timings)) times.set(name, durationMs);
      await reviveApplications(host, vm, { archive, head, entries, times, ...options });
    });
    if (download !== null) host.later(vm.id, () => download.forget());
    return { vm, timings: times.all, downloadedBytes };
  });
}

interface Revival extends OperationOptions {
  readonly archive: ArchiveReader;
  readonly head: CheckpointHead;
  readonly entries: readonly StoredEntry[];
  readonly times: Stopwatch;
}

async function reviveApplications(host: TeleportHost, vm: ManagedVm, revival: Revival): Promise<void> {
  const { archive, head, entries, times, listener, signal } = revival;
  const agent = await vm.requireLive('restore').agent();
  const context: GuestContext = { agent, clock: host.env.clock, signal };
  listener.progress('files');
  await times.measure('files', () =>
    putBack(context, archive, entries, (doneBytes) =>
      listener.progress('files', 'workspace', doneBytes, head.contentBytes),
    ),
  );
  listener.progress('reload');
  await times.measure('reload', async () => {
    for (const { application, environment, state } of head.applications)
      await reloadState(context, application, environment, archive.read(state ?? { page: 0, segments: [] }));
  });
}

async function withArchive(
  { env, places }: TeleportHost,
  snapshot: LocalSnapshot,
  act: (archive: ArchiveReader, head: CheckpointHead) => Promise<void>,
): Promise<void> {
  const head = parseHead(await checkpointHead({ env }, snapshot));
  const map = await checkpointMap({ env }, snapshot);
  const archive = new ArchiveReader(env.files, map, (id) => pageFilePath(places.blobDirectory, id));
  try {
    await act(archive, head);
  } finally {
    await archive.close();
  }
}
