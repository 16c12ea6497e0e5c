import { KelpieError } from '../../base/errors.ts';
import { snapshotPrune } from '../api/prune.ts';
import { routes } from '../api/routes.ts';
import { snapshotCreate } from '../api/snapshots.ts';
import { findSnapshot } from '../../teleport/restore-local.ts';
import { takeSnapshot } from '../../teleport/take-snapshot.ts';
import { answerJson } from '../answers.ts';
import { answerEvents } from '../event-stream.ts';
import { pruneSnapshots } from '../prune-snapshots.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import { holderOf } from '../snapshot-holder.ts';
import { viewCaptured, viewListing, viewSnapshot } from '../views.ts';
import type { Room } from '../room.ts';
import type { ManagedVm } from '../../teleport/managed-vm.ts';
import type { TeleportHost } from '../../teleport/teleport-host.ts';

export const snapshotsRoom: Room<
  'snapshotCreate' | 'snapshotLog' | 'snapshotInspect' | 'snapshotRemove' | 'snapshotPrune'
> = (supervisor) => {
  const { host, registry } = supervisor;
  return {
    snapshotCreate: async (request, parameters) => {
      const { message } = await readBody(request, snapshotCreate);
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerEvents(supervisor, routes.snapshotCreate, request, (options) =>
        supervisor.operate(vm.id, `snapshot "${vm.name}"`, async () => {
          return viewCaptured(await takeSnapshot(host, registry, vm, message, options));
        }),
      );
    },

    snapshotLog: async (_request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      const listings = await host.snapshots.list(vm.id);
      const snapshots = listings.map((listing) => viewListing(vm.id, listing));
      return answerJson(routes.snapshotLog, { snapshots, currentId: vm.record.snapshotId });
    },

    snapshotInspect: async (_request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerJson(
        routes.snapshotInspect,
        viewSnapshot(await findSnapshot(host, vm, parameter(parameters, 'snapshot'))),
      );
    },

    snapshotRemove: async (_request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      await supervisor.operate(vm.id, `remove a snapshot of "${vm.name}"`, () =>
        removeSnapshot(host, vm, parameter(parameters, 'snapshot')),
      );
      return answerJson(routes.snapshotRemove, {});
    },

    snapshotPrune: async (request, parameters) => {
      const { rule, isDryRun } = await readBody(request, snapshotPrune);
      const vm = registry.require(parameter(parameters, 'vm'));
      const pruned = await supervisor.operate(vm.id, `prune snapshots of "${vm.name}"`, () =>
        pruneSnapshots(host, registry, vm, rule, isDryRun),
      );
      return answerJson(routes.snapshotPrune, pruned);
    },
  };
};

/** A damaged snapshot can be removed too, by its whole id. */
async function removeSnapshot(host: TeleportHost, vm: ManagedVm, reference: string): Promise<void> {
  const ids = await host.snapshots.ids(vm.id);
  const snapshotId = ids.includes(reference)
    ? reference
    : (await findSnapshot(host, vm, reference)).metadata.snapshotId;
  const holder = holderOf(host, vm, snapshotId);
  if (holder !== null) throw new KelpieError('snapshot_in_use', holder.sentence);
  await host.snapshots.delete(vm.id, snapshotId);
  if (vm.record.snapshotId === snapshotId) await vm.update({ snapshotId: null });
}
