/** What people do with a VM on the host where it is. */
import { routes } from '../../daemon/api/routes.ts';
import { quiet } from './quiet.ts';
import { named, until } from './request-parts.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import type { World } from '../world/world.ts';
import type { Act } from './acts.ts';

export function createLifeActs(
  world: World,
  daemon: DaemonClient,
): Readonly<Record<'pause' | 'resume' | 'suspend' | 'stop' | 'start' | 'remove', Act>> {
  return {
    pause: async (vm) => {
      vm.isPauseAsked = true;
      await daemon.call(routes.vmPause, named(vm));
    },
    resume: async (vm, _isBold, signal) =>
      void (await daemon.operate(routes.vmResume, { ...named(vm), ...until(signal) }, quiet)),
    suspend: async (vm, _isBold, signal) => {
      const before = world.truth.countOf(vm.vmKey);
      const body = { message: '' };
      await daemon.operate(routes.vmSuspend, { ...named(vm), body, ...until(signal) }, quiet);
      vm.floor = Math.max(vm.floor, before);
      world.truth.mark('suspended');
    },
    stop: async (vm, isBold) =>
      void (await daemon.call(routes.vmStop, { ...named(vm), body: { force: isBold } })),
    start: async (vm, _isBold, signal) => {
      // A boot goes on from the disk, not from memory: nothing is promised of the count.
      vm.floor = 0;
      await daemon.operate(routes.vmStart, { ...named(vm), ...until(signal) }, quiet);
    },
    remove: async (vm) => {
      vm.isRemovalAsked = true;
      await daemon.call(routes.vmRemove, { ...named(vm), query: { force: true } });
    },
  };
}
