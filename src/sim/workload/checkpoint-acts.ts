/** What people do with checkpoints: take one, publish it or not, and make a new VM of the last that they were told of. */
import type { DaemonClient } from '../../cli/daemon-client.ts';
import type { AskedApplication } from '../../daemon/api/checkpoints.ts';
import { routes } from '../../daemon/api/routes.ts';
import { vmKeyOf } from '../world/guest.ts';
import type { Site, World } from '../world/world.ts';
import { forgePackage } from './forged-packages.ts';
import { quiet } from './quiet.ts';
import { named, until } from './request-parts.ts';
import { noteMade } from './vm-model.ts';
import type { Act } from './acts.ts';

/** The application of every guest (`world/guest-programs.ts`). */
export const application: AskedApplication = {
  name: 'notes',
  workspace: ['/srv'],
  save: ['save'],
  reload: ['reload'],
  user: null,
};

export function createCheckpointActs(
  world: World,
  site: Site,
  daemon: DaemonClient,
): Readonly<Record<'checkpoint' | 'restoreCheckpoint', Act>> {
  return {
    // Bold: it stays on the host.
    checkpoint: async (vm, isBold, signal) => {
      const body = { message: '', application, ...(isBold ? {} : { storeUrl: world.storeUrl }) };
      const { published } = await daemon.operate(
        routes.checkpointCreate,
        { ...named(vm), body, ...until(signal) },
        quiet,
      );
      if (published !== null) world.truth.checkpoints.push(published.packageId);
    },
    restoreCheckpoint: async (vm, _isBold, signal) => {
      const forged = await forgePackage(world, site, 'checkpoint');
      const packageId = forged ?? world.truth.checkpoints.at(-1);
      if (packageId === undefined) return;
      // No host runs guests of that architecture, or has an image for them.
      const mismatch = world.faults.hit('teleport_arch_mismatch', `person ${site.name}`);
      const machine = mismatch === null ? {} : { machine: { architecture: 'arm64' as const } };
      // No ports: the VM that it is of may run here, on its own.
      const body = { storeUrl: world.storeUrl, packageId, name: vm.name, publish: [], ...machine };
      const { vm: made } = await daemon.operate(routes.restoreFromStore, { body, ...until(signal) }, quiet);
      if (forged !== null) world.truth.violated('forged', `${vm.name} was made of facts that cannot be`);
      if (mismatch !== null)
        world.truth.violated('checkpoint', `${vm.name} was booted from an image that is not there`);
      noteMade(world, site, vm, vmKeyOf(made.id));
    },
  };
}
