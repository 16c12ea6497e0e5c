/** What people do with checkpoints: take one, publish it or not, and make a new VM of the last that they were told of. */
import type { DaemonClient, OperationListener } from '../../cli/daemon-client.ts';
import { routes } from '../../daemon/api/routes.ts';
import { vmKeyOf } from '../world/guest.ts';
import type { Site, World } from '../world/world.ts';
import type { Act } from './acts.ts';

/** The application of every guest (`world/guest-programs.ts`). */
const application = { name: 'notes', workspace: ['/srv'], save: ['save'], reload: ['reload'], user: null };

export function checkpointActs(
  world: World,
  site: Site,
  daemon: DaemonClient,
  listener: OperationListener,
): Readonly<Record<'checkpoint' | 'restoreCheckpoint', Act>> {
  const until = (signal: AbortSignal | undefined): { signal?: AbortSignal } =>
    signal === undefined ? {} : { signal };
  return {
    // Bold: it stays on the host.
    checkpoint: async (vm, isBold, signal) => {
      const parameters = { vm: vm.name };
      const body = { message: '', application, ...(isBold ? {} : { storeUrl: world.storeUrl }) };
      const { published } = await daemon.operate(
        routes.checkpointCreate,
        { parameters, body, ...until(signal) },
        listener,
      );
      if (published !== null) world.truth.checkpoints.push(published.packageId);
    },
    restoreCheckpoint: async (vm, _isBold, signal) => {
      const packageId = world.truth.checkpoints.at(-1);
      if (packageId === undefined) return;
      const body = { storeUrl: world.storeUrl, packageId, name: vm.name };
      const { vm: made } = await daemon.operate(
        routes.restoreFromStore,
        { body, ...until(signal) },
        listener,
      );
      vm.vmKey = vmKeyOf(made.id);
      vm.isCreated = true;
      vm.place = site.name;
    },
  };
}
