/** Simulated machines on one network, in which nothing goes wrong, and which run by themselves for as long as a test does. */
import { GIB } from '../../src/base/units.ts';
import { createInPlaceCompute } from '../../src/env/node/compute.ts';
import { createSettle } from '../../src/env/node/settle.ts';
import { CallWatch } from '../../src/sim/call-watch.ts';
import { Volume } from '../../src/sim/disk/volume.ts';
import { Faults } from '../../src/sim/faults.ts';
import { Machine } from '../../src/sim/machine.ts';
import type { Program } from '../../src/sim/machine.ts';
import { Network } from '../../src/sim/network.ts';
import { Prng } from '../../src/sim/prng.ts';
import { Scheduler } from '../../src/sim/scheduler.ts';
import { createStrategy } from '../../src/sim/strategies.ts';

export class RunningNetwork {
  readonly #seed: number;
  readonly #wallStartMs: number;
  readonly #network = new Network();
  readonly #scheduler: Scheduler;
  readonly #over = new AbortController();

  constructor(seed: number, wallStartMs: number) {
    this.#seed = seed;
    this.#wallStartMs = wallStartMs;
    const settle = createSettle();
    const scheduler = new Scheduler(createStrategy('random', Prng.named(seed, 'strategy')), settle);
    this.#scheduler = scheduler;
    void (async () => {
      const goesOn = (): boolean => !this.#over.signal.aborted;
      while (!(await scheduler.run(goesOn)));
    })();
  }

  addMachine(name: string, programs: ReadonlyMap<string, Program> = new Map()): Machine {
    const machine = new Machine({
      name,
      scheduler: this.#scheduler,
      random: Prng.named(this.#seed, `machine ${name}`),
      faults: new Faults(this.#seed, {}, null),
      compute: createInPlaceCompute(),
      calls: new CallWatch(null),
      tell: () => undefined,
      volumes: new Map([['/', new Volume('disk', 64 * GIB)]]),
      programs,
      wallStartMs: this.#wallStartMs,
      network: this.#network,
      onBug: (error) => {
        throw error;
      },
    });
    this.#network.join(name, machine);
    return machine;
  }

  close(): void {
    this.#over.abort();
  }
}
