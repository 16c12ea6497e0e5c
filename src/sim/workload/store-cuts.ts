/**
 * Cuts between one site and the store: for a while every call there fails, and nobody knows on which side the other is. Sometimes the site's daemon is dead as long, and
 * its VMs are left to themselves.
 */
import { Prng } from '../prng.ts';
import type { World } from '../world/world.ts';

const PAUSE_MS_MAX = 8000;
/** Some are shorter than a lease, most longer than a lease and its reclaim. */
const CUT_MS_MAX = 90_000;
/** A daemon that is away is away for long enough that its VMs may be reclaimed. */
const AWAY_MS_MIN = 35_000;
const AWAY_CHANCE = 0.6;
/** Mostly it hits whom it hurts. */
const BUSY_CHANCE = 0.8;

/** Until faults end; then it may never come back, and nothing is cut any more. */
export async function cutStores(world: World): Promise<void> {
  const random = Prng.named(world.seed, 'store cuts');
  while (world.faults.isOn) {
    await world.sleep(random.fraction() * PAUSE_MS_MAX, () => world.faults.isOn);
    const busy = world.sites.filter(({ home }) => world.truth.runningIn(home).length > 0);
    const site = random.pick(busy.length > 0 && random.chance(BUSY_CHANCE) ? busy : world.sites);
    const { machine } = site;
    site.isAway = random.chance(AWAY_CHANCE);
    const leastMs = site.isAway ? AWAY_MS_MIN : 0;
    const cutMs = leastMs + random.fraction() * (CUT_MS_MAX - leastMs);
    world.faults.planned('network_partition');
    machine.cutOff(cutMs);
    if (site.isAway && site.daemon?.isAlive === true) machine.kill(site.daemon);
    world.truth.mark('store cut');
    world.truth.tell('fault', 'store cut', machine.name);
    await world.sleep(cutMs, () => world.faults.isOn);
    site.isAway = false;
  }
}
