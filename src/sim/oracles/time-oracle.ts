/** Time that was promised to be kept is kept: whatever a host loads of a VM is not behind its last acknowledged snapshot or teleport. */
import type { VmModel } from '../workload/vm-model.ts';
import type { World } from '../world/world.ts';

export function watchLostTime({ truth, isVanishing }: World, vms: readonly VmModel[]): void {
  // A reclaim gives up what was not published, also what is acknowledged on its host until that finds out.
  if (isVanishing) return;
  truth.onLoaded.push(({ vmKey, hostName, count }) => {
    const vm = vms.find((known) => known.vmKey === vmKey);
    if (vm === undefined || count >= vm.floor) return;
    truth.violated(
      'lost-time',
      `${vm.name} goes on from ${count} on ${hostName}, though ${vm.floor} was acknowledged`,
    );
  });
}
