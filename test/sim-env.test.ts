/** The simulated world keeps the promises of `Env` as the real one does. */
import { createSimEnv } from '../src/sim/env/sim-env.ts';
import { envSuite } from './support/env-suite.ts';
import type { EnvFixture } from './support/env-suite.ts';
import { RunningNetwork } from './support/running-network.ts';

const WALL_START_MS = 1_700_000_000_000;

let seed = 0;

async function createFixture(): Promise<EnvFixture> {
  seed += 1;
  const network = new RunningNetwork(seed, WALL_START_MS);
  const process = network.addMachine('host').startProcess(['test'], 'test t');
  const env = createSimEnv(process);
  await env.files.makeDirectory('/t');
  return { env, directory: '/t', close: async () => network.close() };
}

envSuite('simulated', createFixture);
