/** A person makes copies of a VM: what becomes of them is held against the program as of any other VM. */
import { routes } from '../../daemon/api/routes.ts';
import { vmKeyOf } from '../world/guest.ts';
import { newVmModel, noteMade } from './vm-model.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import type { Forked } from '../../daemon/api/forks.ts';
import type { Site, World } from '../world/world.ts';
import { forgePackage } from './forged-packages.ts';
import { quiet } from './quiet.ts';
import { named, until } from './request-parts.ts';
import type { Act } from './acts.ts';
import type { VmModel } from './vm-model.ts';

/** @param vms of all people; copies are added to them. */
export function createForkActs(
  world: World,
  site: Site,
  daemon: DaemonClient,
  vms: VmModel[],
): Readonly<Record<'fork' | 'forkPackage', Act>> {
  return {
    fork: async (vm, isBold, signal) => {
      const name = `vm-${vms.length}`;
      const copies = plan(vms, site, isBold ? [`${name}-1`, `${name}-2`] : [name]);
      const before = world.truth.countOf(vm.vmKey);
      allow(world, vm);
      const body = { name, count: copies.length };
      const made = await daemon.operate(routes.fork, { ...named(vm), body, ...until(signal) }, quiet);
      take(world, site, copies, made, before);
    },
    forkPackage: async (vm, _isBold, signal) => {
      const name = `vm-${vms.length}`;
      const copies = plan(vms, site, [name]);
      // As it was when it was asked for: the VM may leave once more meanwhile.
      const before = vm.packageFloor;
      allow(world, vm);
      const forged = await forgePackage(world, site, 'memory');
      const body = { storeUrl: world.storeUrl, source: forged ?? vm.name, name, count: 1 };
      const made = await daemon.operate(routes.forkPackage, { body, ...until(signal) }, quiet);
      if (forged !== null) world.truth.violated('forged', `${name} goes on with facts that cannot be`);
      take(world, site, copies, made, before);
    },
  };
}

/** Known before they are asked for: an answer may be lost, and then they may be there all the same. */
function plan(vms: VmModel[], site: Site, names: readonly string[]): readonly VmModel[] {
  const copies = names.map((name) => newVmModel(name, site.name));
  vms.push(...copies);
  return copies;
}

/** From here on other VMs may go on with the memory of this one. */
function allow({ truth }: World, { vmKey }: VmModel): void {
  if (vmKey !== null) truth.forked.add(vmKey);
}

/** @param floor what the VM had counted to before it was asked for. */
function take(world: World, site: Site, copies: readonly VmModel[], made: Forked, floor: number): void {
  for (const view of made.vms) {
    const copy = copies.find(({ name }) => name === view.name);
    const vmKey = vmKeyOf(view.id);
    if (copy === undefined || world.truth.madeKeys.has(vmKey))
      return world.truth.violated(
        'fork',
        `a fork gave ${view.name}, which was not asked for or is another VM`,
      );
    noteMade(world, site, copy, vmKey);
    copy.floor = floor;
    for (const { count } of world.truth.running(vmKey))
      if (count < floor)
        world.truth.violated('fork', `${view.name} counts ${count}, though it was forked after ${floor}`);
  }
  if (made.failed.length > 0) world.truth.mark('fork in part');
}
