import { SNAPSHOT_FORMAT_VERSION } from '../snapshot/metadata.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SnapshotKind } from '../snapshot/metadata.ts';
import type { SnapshotTimings } from '../vm/instance.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface CaptureRequest {
  readonly snapshotId: string;
  readonly kind: SnapshotKind;
  readonly message: string;
  /** False: the VM stays paused. */
  readonly resume: boolean;
  readonly signal: AbortSignal;
}

export interface Captured {
  readonly snapshot: LocalSnapshot;
  readonly timings: SnapshotTimings;
}

/**
 * Takes a snapshot of a live VM and makes it exist on this host. What a failure leaves is removed by settling the
 * operation, which the journal knows the snapshot's id from.
 * @throws KelpieError `vm_crashed`, `snapshot_failed`, `disk_full`, `canceled` …
 */
export async function captureSnapshot(
  host: TeleportHost,
  vm: ManagedVm,
  request: CaptureRequest,
): Promise<Captured> {
  const instance = vm.requireLive('snapshot');
  const parentId = vm.record.snapshotId;
  const directory = await host.snapshots.prepare(vm.id, request.snapshotId);
  const createdAtUnixMs = Math.round(host.env.clock.wallMs());
  const captured = await instance.snapshot({ directory, resume: request.resume, signal: request.signal });
  const snapshot = await host.snapshots.complete({
    metadata: {
      formatVersion: SNAPSHOT_FORMAT_VERSION,
      snapshotId: request.snapshotId,
      vmId: vm.id,
      parentId,
      kind: request.kind,
      message: request.message,
      createdAtUnixMs,
      config: vm.record.config,
      machine: captured.machine,
      source: host.facts,
      guest: captured.guest,
    },
    deviceStateBytes: captured.deviceStateBytes,
    memory: captured.memory,
    disk: captured.disk,
    dirtyBytes: captured.timings.dirtyBytes,
    pauseMs: Math.round(captured.timings.pauseMs),
  });
  return { snapshot, timings: captured.timings };
}
