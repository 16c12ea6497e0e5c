/** What people do to send a VM away: to the store for whoever takes it, or for the person at the other site, as a checkpoint where that cannot have its memory. */
import { isKelpieError } from '../../base/errors.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import { routes } from '../../daemon/api/routes.ts';
import type { Site, World } from '../world/world.ts';
import { application } from './checkpoint-acts.ts';
import { quiet } from './quiet.ts';
import { named, until } from './request-parts.ts';
import type { Act } from './acts.ts';

export function createTeleportActs(
  world: World,
  site: Site,
  daemon: DaemonClient,
): Readonly<Record<'teleport', Act>> {
  return {
    // Bold: for the other site.
    teleport: async (vm, isBold, signal) => {
      // So that the other person may do the same.
      if (isBold) await daemon.call(routes.storeJoin, { body: { storeUrl: world.storeUrl } });
      const before = world.truth.countOf(vm.vmKey);
      const strike = world.faults.hit('teleport_image_mismatch', `person ${site.name}`);
      const other = world.sites.find(({ name }) => name !== site.name);
      const wish =
        isBold && other !== undefined
          ? { forHost: other.machine.name, allowCheckpoint: true, application }
          : {};
      const body = { storeUrl: world.storeUrl, message: '', includeImage: strike === null, ...wish };
      vm.place = null;
      const options = { ...named(vm), body, ...until(signal) };
      const done = await daemon.operate(routes.teleport, options, quiet).catch((error: unknown) => {
        // Of a host that has told nothing, or of two that are called the same.
        if (isKelpieError(error, 'host_not_found', 'invalid_argument')) vm.place = site.name;
        throw error;
      });
      if (done.kind === 'checkpoint') {
        vm.place = site.name;
        world.truth.checkpoints.push(done.packageId);
        return world.truth.mark('teleport for a host: a checkpoint');
      }
      if (done.forHost !== null) world.truth.mark('teleport for a host: its memory');
      vm.floor = Math.max(vm.floor, before);
      vm.packageFloor = Math.max(vm.packageFloor, before);
      vm.isPublished = true;
    },
  };
}
