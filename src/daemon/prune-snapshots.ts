/** Removes snapshots and checkpoints of a VM by their age, but none that something needs. */
import { decidePrune, requireKeeping } from '../snapshot/prune-rule.ts';
import { holderOf } from './snapshot-holder.ts';
import { allSnapshots, freeableBytes } from './snapshot-space.ts';
import { viewSnapshot } from './views.ts';
import type { PruneRule } from '../snapshot/prune-rule.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { TeleportHost } from '../teleport/teleport-host.ts';
import type { VmRegistry } from '../teleport/vm-registry.ts';
import type { SnapshotsPruned } from './api/prune.ts';

/**
 * Called by whoever holds the VM's lock. Checkpoints are counted apart from snapshots: neither stands in for the other. What the VM goes back to when nothing
 * else is said stays whatever the rule, and damaged snapshots stay.
 * @throws KelpieError `usage` for a rule that keeps nothing.
 */
export async function pruneSnapshots(
  host: TeleportHost,
  registry: VmRegistry,
  vm: ManagedVm,
  rule: PruneRule,
  isDryRun: boolean,
): Promise<SnapshotsPruned> {
  requireKeeping(rule, 'snapshots');
  const listings = await host.snapshots.list(vm.id);
  const whole = listings.flatMap((listing) => (listing.damaged ? [] : [listing.snapshot]));
  const byId = new Map(whole.map((snapshot) => [snapshot.metadata.snapshotId, snapshot]));
  const candidates = whole.map(({ metadata: { snapshotId, kind, createdAtUnixMs } }) => {
    return { id: snapshotId, group: kind === 'checkpoint' ? 'checkpoint' : 'snapshot', createdAtUnixMs };
  });
  const snapshots = decidePrune(candidates, rule).flatMap(({ id, keptBy }) => {
    const snapshot = byId.get(id);
    return snapshot === undefined
      ? []
      : [{ ...viewSnapshot(snapshot), keptBy: [...keptBy, ...needOf(host, vm, id)] }];
  });
  const going = new Set(snapshots.filter(({ keptBy }) => keptBy.length === 0).map(({ id }) => id));
  // Before they go: nothing can be measured afterwards. Where none goes, what the whole host has is not read for it.
  const freedBytes =
    going.size === 0
      ? 0
      : await freeableBytes(host, registry, await allSnapshots(host, registry), (id) => going.has(id));
  if (!isDryRun) for (const id of going) await host.snapshots.delete(vm.id, id);
  return { snapshots, damaged: listings.filter(({ damaged }) => damaged).map(({ id }) => id), freedBytes };
}

/** Beside what the rule says. */
function needOf(host: TeleportHost, vm: ManagedVm, snapshotId: string): readonly string[] {
  const holder = holderOf(host, vm, snapshotId);
  if (holder !== null) return [holder.kind];
  return vm.record.snapshotId === snapshotId ? ['current'] : [];
}
