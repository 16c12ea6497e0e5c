/** Crashes and other troubles that come by themselves, at drawn moments, for as long as faults are on. */
import type { Prng } from '../prng.ts';
import type { Site, World } from '../world/world.ts';

const PAUSE_MS_MAX = 4000;
const DOWN_MS_MAX = 3000;
const FULL_MS_MAX = 4000;
const CLOCK_JUMP_MS_MAX = 3_600_000;

export class Nemesis {
  readonly #world: World;
  readonly #random: Prng;
  /** Called when a site is to be up again, a person at it too. */
  readonly #onPower: (site: Site) => void;

  constructor(world: World, onPower: (site: Site) => void) {
    this.#world = world;
    this.#random = world.random.split('nemesis');
    this.#onPower = onPower;
  }

  /** Keeps daemons up, with pauses, and brings trouble until faults are over. */
  async work(): Promise<void> {
    const { faults } = this.#world;
    while (faults.isOn) {
      await this.#world.sleep(this.#random.fraction() * PAUSE_MS_MAX);
      if (!faults.isOn) return;
      const site = this.#random.pick(this.#world.sites);
      if (faults.hits('daemon_crash')) this.#crashDaemon(site);
      if (faults.hits('vmm_crash')) this.#crashVmm(site);
      if (faults.hits('host_power_loss')) await this.#losePower(site);
      if (faults.hits('disk_full')) await this.#fillDisk(site);
      if (faults.hits('clock_jump')) this.#jumpClock(site);
    }
  }

  #crashDaemon(site: Site): void {
    if (site.daemon?.isAlive !== true) return;
    this.#world.faults.tookEffect('daemon_crash');
    site.machine.kill(site.daemon);
  }

  #crashVmm(site: Site): void {
    const vmms = site.machine.processes.filter(({ args }) => args[0]?.includes('qemu-system') === true);
    if (vmms.length === 0) return;
    this.#world.faults.tookEffect('vmm_crash');
    site.machine.kill(this.#random.pick(vmms));
  }

  async #losePower(site: Site): Promise<void> {
    this.#world.faults.tookEffect('host_power_loss');
    this.#world.losePower(site);
    await this.#world.sleep(this.#random.fraction() * DOWN_MS_MAX);
    for (const other of this.#world.sites) if (other.machine === site.machine) this.#onPower(other);
  }

  async #fillDisk({ machine }: Site): Promise<void> {
    const volume = this.#random.pick([...machine.volumes.values()]);
    const { capacityBytes } = volume;
    volume.capacityBytes = 0;
    await this.#world.sleep(this.#random.fraction() * FULL_MS_MAX);
    volume.capacityBytes = capacityBytes;
  }

  #jumpClock({ machine }: Site): void {
    this.#world.faults.tookEffect('clock_jump');
    machine.wallOffsetMs += (this.#random.fraction() - 0.5) * CLOCK_JUMP_MS_MAX;
  }
}
