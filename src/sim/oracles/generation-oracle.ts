/**
 * No restored guest goes on before its VM's new generation is durable: a crash right then would let the next attempt have the same one, and two guests that were told
 * different things would count as one.
 */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { volumeOf } from '../disk/paths.ts';
import type { Guest } from '../world/guest.ts';
import { vmKeyOf } from '../world/guest.ts';
import type { Site, World } from '../world/world.ts';
import { homeFile } from './site-view.ts';
import { directoryIn, jsonObjectIn } from './store-view.ts';

export function watchGenerations({ truth, sites }: World): void {
  truth.onRunning.push((guest) => {
    const site = guest.isRepairNeeded ? sites.find(({ home }) => home === guest.hostName) : undefined;
    if (site === undefined) return;
    const kept = durableGeneration(site, guest);
    if (kept > guest.generation) return;
    truth.violated(
      'repair',
      `${guest.vmKey} goes on with generation ${guest.generation} on ${site.name}, where ${kept} is durable`,
    );
  });
}

/** Of the VM's record, as it would be after a loss of power; 0 without one. */
function durableGeneration(site: Site, { vmKey }: Guest): number {
  const vms = directoryIn(volumeOf(site.machine, site.home).root, `${site.home}/vms`, 'durable');
  const vmId = [...(vms?.durable.keys() ?? [])].find((id) => vmKeyOf(id) === vmKey);
  const bytes = vmId === undefined ? null : homeFile(site, `vms/${vmId}/vm.json`, 'durable');
  const record = bytes === null ? null : jsonObjectIn(fromUtf8Lossy(bytes));
  return Number(record?.['generation'] ?? 0);
}
