/** What of this host's disk snapshots alone take. */
import { spaceOf } from '../snapshot/snapshot-space.ts';
import type { BlobUse } from '../snapshot/collect-blobs.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { TeleportHost } from '../teleport/teleport-host.ts';
import type { VmRegistry } from '../teleport/vm-registry.ts';

/** What the VMs themselves use of the blobs, and no snapshot need name. */
export function usedByVms(registry: Pick<VmRegistry, 'all'>): readonly BlobUse[] {
  return registry.all.map(({ record }) => ({
    memory: record.runtime?.memory ?? null,
    disk: [...record.disk, ...(record.runtime?.disk ?? [])],
  }));
}

/** Of all VMs; those that cannot be read are left out. */
export async function allSnapshots(
  host: Pick<TeleportHost, 'snapshots'>,
  registry: Pick<VmRegistry, 'all'>,
): Promise<readonly LocalSnapshot[]> {
  const all: LocalSnapshot[] = [];
  for (const { id } of registry.all)
    for (const listing of await host.snapshots.list(id)) if (!listing.damaged) all.push(listing.snapshot);
  return all;
}

/** What would be free without some snapshots. @param all those that there are, which `allSnapshots` tells. */
export async function freeableBytes(
  host: Pick<TeleportHost, 'env' | 'places'>,
  registry: Pick<VmRegistry, 'all'>,
  all: readonly LocalSnapshot[],
  isCounted: (snapshotId: string) => boolean,
): Promise<number> {
  const counted = all.filter(({ metadata }) => isCounted(metadata.snapshotId));
  const staying = all.filter(({ metadata }) => !isCounted(metadata.snapshotId));
  return spaceOf(host.env, host.places.home, counted, [...usedByVms(registry), ...staying]);
}
