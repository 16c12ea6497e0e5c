/** The simulated world keeps the promises of `Env` as the real one does. */
import { createInPlaceCompute } from '../src/env/node/compute.ts';
import { createSettle } from '../src/env/node/settle.ts';
import { CallWatch } from '../src/sim/call-watch.ts';
import { Volume } from '../src/sim/disk/volume.ts';
import { createSimEnv } from '../src/sim/env/sim-env.ts';
import { Faults } from '../src/sim/faults.ts';
import { Machine } from '../src/sim/machine.ts';
import { Prng } from '../src/sim/prng.ts';
import { Scheduler } from '../src/sim/scheduler.ts';
import { createStrategy } from '../src/sim/strategies.ts';
import { GIB } from '../src/base/units.ts';
import { envSuite } from './support/env-suite.ts';
import type { EnvFixture } from './support/env-suite.ts';

let seed = 0;

/** A world that runs by itself for as long as the test does. */
async function createFixture(): Promise<EnvFixture> {
  seed += 1;
  const random = Prng.fromSeed(seed);
  const settle = createSettle();
  const scheduler = new Scheduler(createStrategy('random', random.split('strategy')), settle);
  const machine = new Machine({
    name: 'host',
    scheduler,
    random: random.split('machine'),
    faults: new Faults(seed, {}, null),
    compute: createInPlaceCompute(),
    calls: new CallWatch(null),
    tell: () => undefined,
    volumes: new Map([['/', new Volume('disk', 64 * GIB)]]),
    programs: new Map(),
    wallStartMs: 1_700_000_000_000,
    onBug: (error) => {
      throw error;
    },
  });
  const over = new AbortController();
  void (async () => {
    const goesOn = (): boolean => !over.signal.aborted;
    while (!(await scheduler.run(goesOn)));
  })();
  const process = machine.startProcess(['test'], 'test t');
  const env = createSimEnv(process);
  await env.files.makeDirectory('/t');
  return {
    env,
    directory: '/t',
    close: async () => {
      over.abort();
    },
  };
}

envSuite('simulated', createFixture);
