import { routes } from '../api/routes.ts';
import { restoreFromStore, restoreLocal } from '../api/snapshots.ts';
import { teleport } from '../api/teleports.ts';
import { restoreLocal as restoreFromHost } from '../../teleport/restore-local.ts';
import { TeleportIn } from '../../teleport/target.ts';
import { findCheckpoint, openCheckpoint } from '../../teleport/find-checkpoint.ts';
import { admitClaim } from '../admit-claim.ts';
import { answerEvents } from '../event-stream.ts';
import { findPackageId } from '../find-package.ts';
import { requireSameMachine, restoreAsNew } from '../restore-as-new.ts';
import { requirePorts } from '../ports.ts';
import { teleportOut } from '../teleport-out.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewVm } from '../views.ts';
import type { Room } from '../room.ts';

export const movesRoom: Room<'restoreLocal' | 'teleport' | 'restoreFromStore'> = (supervisor) => {
  const { host, registry } = supervisor;
  return {
    restoreLocal: async (request, parameters) => {
      const asked = await readBody(request, restoreLocal);
      const { snapshotId, replace, name = null, machine = {} } = asked;
      const vm = registry.require(parameter(parameters, 'vm'));
      const checkpoint = snapshotId === undefined ? null : await findCheckpoint(host, vm, snapshotId);
      if (checkpoint !== null)
        return answerEvents(supervisor, routes.restoreLocal, request, (options) =>
          restoreAsNew(supervisor, checkpoint, { name, publish: null, machine }, options),
        );
      requireSameMachine(asked);
      return answerEvents(supervisor, routes.restoreLocal, request, (options) =>
        supervisor.operate(vm.id, `restore "${vm.name}"`, async () => {
          if (!vm.isLive) await requirePorts(supervisor, vm.record.config.publish, vm.id);
          await host.leases.secure(vm);
          const timings = await restoreFromHost(
            host,
            registry,
            vm,
            { snapshotId: snapshotId ?? null, replace },
            options,
          );
          return { vm: viewVm(supervisor, vm), timings, downloadedBytes: 0 };
        }),
      );
    },

    teleport: async (request, parameters) => {
      const asked = await readBody(request, teleport);
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerEvents(supervisor, routes.teleport, request, (options) =>
        supervisor.operate(vm.id, `teleport "${vm.name}"`, () => teleportOut(supervisor, vm, asked, options)),
      );
    },

    restoreFromStore: async (request) => {
      const asked = await readBody(request, restoreFromStore);
      const { storeUrl, vm = null, name = null, publish = null, leaseMs = null } = asked;
      const packageId =
        asked.packageId === undefined
          ? null
          : await findPackageId((await host.openStore(storeUrl)).storage, asked.packageId);
      const checkpoint = packageId === null ? null : await openCheckpoint(host, storeUrl, packageId);
      if (checkpoint !== null)
        return answerEvents(supervisor, routes.restoreFromStore, request, async (options) => {
          const wish = { name, publish, machine: asked.machine ?? {} };
          const restored = await restoreAsNew(supervisor, checkpoint, wish, options);
          host.tellStore(storeUrl);
          return restored;
        });
      requireSameMachine(asked);
      return answerEvents(supervisor, routes.restoreFromStore, request, async (options) => {
        const guard = {
          whileLocked: <T>(vmId: string, act: () => Promise<T>): Promise<T> =>
            supervisor.operate(vmId, 'restore it', act),
          admit: admitClaim(supervisor, options.listener),
        };
        const claimed = { storeUrl, vm, packageId, name, publish, leaseMs };
        const claim = new TeleportIn(host, registry, claimed, guard, options);
        const { vm: taken, timings, downloadedBytes } = await claim.run();
        host.tellStore(storeUrl);
        return { vm: viewVm(supervisor, taken), timings, downloadedBytes };
      });
    },
  };
};
