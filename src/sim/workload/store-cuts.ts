/**
 * Cuts between one site and the store: for a while every call there fails, and nobody knows on which side the other is. Sometimes the site's daemon is dead as long, and
 * its VMs are left to themselves.
 */
import { Prng } from '../prng.ts';
import type { World } from '../world/world.ts';

const PAUSE_MS_MAX = 15_000;
/** Some are shorter than a lease, most longer than a lease and its reclaim. */
const CUT_MS_MAX = 90_000;

/** Until faults end; then it may never come back, and nothing is cut any more. */
export async function cutStores(world: World): Promise<void> {
  const random = Prng.named(world.seed, 'store cuts');
  while (world.faults.isOn) {
    await world.sleep(random.fraction() * PAUSE_MS_MAX, () => world.faults.isOn);
    const site = random.pick(world.sites);
    const { machine } = site;
    site.isAway = random.chance(0.4);
    const cutMs = random.fraction() * CUT_MS_MAX;
    world.faults.planned('network_partition');
    machine.cutOff(cutMs);
    if (site.isAway && site.daemon?.isAlive === true) machine.kill(site.daemon);
    world.truth.mark('store cut');
    world.truth.tell('fault', 'store cut', machine.name);
    await world.sleep(cutMs, () => world.faults.isOn);
    site.isAway = false;
  }
}
