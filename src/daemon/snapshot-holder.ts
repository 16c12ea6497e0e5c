/** What needs a snapshot of this host, so that it must not be removed. Its blobs are no matter here: what names them keeps them. */
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { TeleportHost } from '../teleport/teleport-host.ts';

export interface SnapshotHolder {
  readonly kind: 'departed' | 'suspended' | 'running';
  /** Why it stays, and what to do. */
  readonly sentence: string;
}

/** Null when nothing needs it. */
export function holderOf(
  { places }: Pick<TeleportHost, 'places'>,
  { id, name, record }: Pick<ManagedVm, 'id' | 'name' | 'record'>,
  snapshotId: string,
): SnapshotHolder | null {
  const isCurrent = record.snapshotId === snapshotId;
  if (isCurrent && record.departed !== null)
    return {
      kind: 'departed',
      sentence: `snapshot ${snapshotId} is the one that "${name}" departed with: remove the VM instead.`,
    };
  if (isCurrent && record.state === 'suspended')
    return {
      kind: 'suspended',
      sentence: `"${name}" is suspended in snapshot ${snapshotId}: resume it, or remove the VM.`,
    };
  // A live VM that was restored: what it has not written since is described by the map of that snapshot.
  const mapPath = record.runtime?.memory?.mapPath;
  if (mapPath?.startsWith(`${places.snapshotDirectory(id, snapshotId)}/`) !== true) return null;
  return {
    kind: 'running',
    sentence: `"${name}" runs from snapshot ${snapshotId}, which its next snapshots need: remove it when the VM is stopped or has left.`,
  };
}
