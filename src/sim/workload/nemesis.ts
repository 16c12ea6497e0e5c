/** Crashes and other troubles that come by themselves, at their planned times, for as long as faults are on. */
import { Prng } from '../prng.ts';
import type { Trouble, TroubleName } from '../plan.ts';
import type { Site, World } from '../world/world.ts';

const DOWN_MS_MAX = 3000;
const FULL_MS_MAX = 4000;
/** Longer than a client waits for an answer, and tries again. */
const PARTITION_MS_MAX = 90_000;
const CLOCK_JUMP_MS_MAX = 3_600_000;

function isVmm(program: string): boolean {
  return program.includes('qemu-system') || program.endsWith('firecracker');
}

export class Nemesis {
  readonly #world: World;
  /** Called when a site is to be up again, a person at it too. */
  readonly #onPower: (site: Site) => void;
  /** What came in time. */
  readonly done: Trouble[] = [];
  #underWay: Promise<void> = Promise.resolve();

  constructor(world: World, onPower: (site: Site) => void) {
    this.#world = world;
    this.#onPower = onPower;
  }

  /** Until faults end; then it may never come back. */
  async work(troubles: readonly Trouble[]): Promise<void> {
    const { faults, scheduler } = this.#world;
    for (const trouble of troubles) {
      if (!faults.isOn) return;
      await this.#world.sleep(Math.max(0, trouble.atMs - scheduler.nowMs), () => faults.isOn);
      this.done.push(trouble);
      this.#underWay = this.#bring(trouble);
      await this.#underWay;
    }
  }

  /** Resolves when what was full is not, and what was down is up. */
  async untilOver(): Promise<void> {
    await this.#underWay;
  }

  async #bring(trouble: Trouble): Promise<void> {
    const { faults } = this.#world;
    faults.planned(trouble.name);
    const isHit = await this.#acts[trouble.name](this.#world.site(trouble.site), trouble);
    if (isHit) faults.tookEffect(trouble.name);
  }

  /** Each says whether somebody was hit. */
  readonly #acts: Readonly<Record<TroubleName, (site: Site, trouble: Trouble) => Promise<boolean>>> = {
    daemon_crash: async ({ machine, daemon }) => {
      if (daemon?.isAlive !== true) return false;
      this.#world.truth.tell('fault', 'daemon_crash', daemon.label);
      machine.kill(daemon);
      return true;
    },
    vmm_crash: async ({ machine }, { share }) => {
      const vmms = machine.processes.filter(({ args }) => isVmm(args[0] ?? ''));
      const vmm = vmms[Math.floor(share * vmms.length)];
      if (vmm === undefined) return false;
      this.#world.truth.tell('fault', 'vmm_crash', vmm.label);
      for (const { vmKey } of this.#world.truth.guests)
        if ([vmm.root, ...vmm.args].some((text) => text.includes(`/${vmKey}/`)))
          this.#world.truth.died.add(vmKey);
      machine.kill(vmm);
      return true;
    },
    vm_crash: async ({ home }, { share }) => {
      const guests = this.#world.truth.runningIn(home);
      const guest = guests[Math.floor(share * guests.length)];
      guest?.crash();
      return guest !== undefined;
    },
    host_power_loss: async (site, { share, atMs }) => {
      const { machine } = site;
      this.#world.truth.tell('fault', 'host_power_loss', machine.name);
      this.#world.losePower(site, Prng.named(this.#world.seed, `power ${atMs}`));
      await this.#world.sleep(share * DOWN_MS_MAX);
      for (const other of this.#world.sites) if (other.machine === machine) this.#onPower(other);
      return true;
    },
    disk_full: async ({ machine }, { share }) => {
      const volumes = [...machine.volumes.values()];
      const volume = volumes[Math.floor(share * 997) % volumes.length];
      if (volume === undefined) return false;
      this.#world.truth.tell('fault', `disk_full ${volume.name}`, machine.name);
      const { capacityBytes } = volume;
      volume.capacityBytes = 0;
      await this.#world.sleep(share * FULL_MS_MAX);
      volume.capacityBytes = capacityBytes;
      // Who is refused counts it.
      return false;
    },
    network_partition: async ({ machine }, { share }) => {
      if (this.#world.isStoreOnDisk(machine)) return false;
      this.#world.truth.tell('fault', 'network_partition', machine.name);
      machine.cutOff(share ** 2 * PARTITION_MS_MAX);
      // Who does not get through counts it.
      return false;
    },
    clock_jump: async ({ machine }, { share }) => {
      machine.wallOffsetMs += (share - 0.5) * CLOCK_JUMP_MS_MAX;
      this.#world.truth.tell('fault', 'clock_jump', machine.name);
      return true;
    },
  };
}
