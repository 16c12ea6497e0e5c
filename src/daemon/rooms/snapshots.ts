import { KelpieError } from '../../base/errors.ts';
import { routes } from '../api/routes.ts';
import { snapshotCreate } from '../api/snapshots.ts';
import { findSnapshot } from '../../teleport/restore-local.ts';
import { takeSnapshot } from '../../teleport/take-snapshot.ts';
import { answerJson } from '../answers.ts';
import { answerEvents } from '../event-stream.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewCaptured, viewListing, viewSnapshot } from '../views.ts';
import type { Room } from '../room.ts';
import type { ManagedVm } from '../../teleport/managed-vm.ts';
import type { TeleportHost } from '../../teleport/teleport-host.ts';

export const snapshotsRoom: Room<'snapshotCreate' | 'snapshotLog' | 'snapshotInspect' | 'snapshotRemove'> = (
  supervisor,
) => {
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
  };
};

/** A damaged snapshot can be removed too, by its whole id. */
async function removeSnapshot(host: TeleportHost, vm: ManagedVm, reference: string): Promise<void> {
  const ids = await host.snapshots.ids(vm.id);
  const snapshotId = ids.includes(reference)
    ? reference
    : (await findSnapshot(host, vm, reference)).metadata.snapshotId;
  if (vm.record.departed !== null && vm.record.snapshotId === snapshotId) {
    throw new KelpieError(
      'snapshot_in_use',
      `snapshot ${snapshotId} is the one that "${vm.name}" departed with: remove the VM instead.`,
    );
  }
  if (vm.record.state === 'suspended' && vm.record.snapshotId === snapshotId) {
    throw new KelpieError(
      'snapshot_in_use',
      `"${vm.name}" is suspended in snapshot ${snapshotId}: resume it, or remove the VM.`,
    );
  }
  if (isRunFrom(host, vm, snapshotId)) {
    throw new KelpieError(
      'snapshot_in_use',
      `"${vm.name}" runs from snapshot ${snapshotId}, which its next snapshots need: remove it when the VM is stopped or has left.`,
    );
  }
  await host.snapshots.delete(vm.id, snapshotId);
  if (vm.record.snapshotId === snapshotId) await vm.update({ snapshotId: null });
}

/** A live VM that was restored: what it has not written since is described by the map of that snapshot. */
function isRunFrom({ places }: TeleportHost, { id, record }: ManagedVm, snapshotId: string): boolean {
  const mapPath = record.runtime?.memory?.mapPath;
  return mapPath?.startsWith(`${places.snapshotDirectory(id, snapshotId)}/`) === true;
}
