/** The simulated service keeps the contract of object stores, as seen by the client that runs everywhere. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createSimEnv } from '../src/sim/env/sim-env.ts';
import { startService } from '../src/sim/world/store-place.ts';
import { checkStore } from '../src/store/objects/check-store.ts';
import { openBareObjects, openObjects } from '../src/store/objects/open-objects.ts';
import type { Env } from '../src/env/env.ts';
import { objectStoreSuite } from './support/object-store-suite.ts';
import { RunningNetwork } from './support/running-network.ts';

let seed = 0;

interface Service {
  readonly url: string;
  /** The world as another host sees it. */
  newHost(): Env;
  close(): void;
}

function startWorld(): Service {
  seed += 1;
  const network = new RunningNetwork(seed, Date.now());
  const { url } = startService(network.addMachine('s3'), seed);
  let hosts = 0;
  return {
    url,
    newHost: () => {
      hosts += 1;
      return createSimEnv(network.addMachine(`host-${hosts}`).startProcess(['test'], `test ${hosts}`));
    },
    close: () => network.close(),
  };
}

objectStoreSuite('objects in the simulated service', async () => {
  const service = startWorld();
  return {
    open: async () => await openObjects(service.newHost(), service.url),
    close: async () => service.close(),
  };
});

test('the simulated service keeps every promise that the doctor asks for', async () => {
  const service = startWorld();
  try {
    const env = service.newHost();
    const findings = await checkStore(env, await openBareObjects(env, service.url));
    assert.deepEqual(
      findings.filter(({ level }) => level !== 'ok'),
      [],
    );
  } finally {
    service.close();
  }
});
