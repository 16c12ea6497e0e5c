/**
 * A teleport that failed has captured and perhaps sent a snapshot that nobody asked for in the end. While the VM goes on, most of its pages stay as they
 * were: the snapshot is kept beside the VM, and the next teleport refers to what of it is in the store, as far as the pages did not change.
 */
import { HOUR_MS } from '../base/units.ts';
import { isUuid } from '../base/uuid.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { placesIn } from './place-files.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { TeleportHost } from './teleport-host.ts';

/** How long what was set aside waits for another teleport. */
const ASIDE_KEPT_MS: number = 24 * HOUR_MS;

type SnapshotHost = Pick<TeleportHost, 'env' | 'places' | 'snapshots' | 'log'>;

/** Keeps what was sent of it, and removes what was not. */
export async function setAsideOrRemove(host: SnapshotHost, snapshot: LocalSnapshot): Promise<void> {
  const { vmId, snapshotId } = snapshot.metadata;
  if (await isPartlySent(host, snapshot)) await host.snapshots.setAside(vmId, snapshotId);
  else await host.snapshots.delete(vmId, snapshotId);
}

/** True when a store has pages of the file that the snapshot brought: what is laid over a map comes last in its table. */
async function isPartlySent(host: SnapshotHost, { memory }: LocalSnapshot): Promise<boolean> {
  const own = memory.pageFiles.at(-1);
  if (own === undefined) return false;
  for (const storeId of (await listIfThere(host.env.files, host.places.placesDirectory)).filter(isUuid)) {
    if ((await placesIn(host, storeId).of(own)) !== null) return true;
  }
  return false;
}

/** Drops what nobody has gone on with for long. */
export async function sweepAside(host: SnapshotHost, vmIds: Iterable<string>): Promise<void> {
  const oldestMs = host.env.clock.wallMs() - ASIDE_KEPT_MS;
  for (const vmId of vmIds) {
    const aside = await host.snapshots.aside(vmId);
    if (aside !== null && aside.metadata.createdAtUnixMs < oldestMs) await host.snapshots.dropAside(vmId);
  }
}
