/** The contract of `VmInstance`, held by real VMs on QEMU. */
import { createNodeEnv } from '../src/env/node/env.ts';
import { createQemuBackend } from '../src/vm/qemu/backend.ts';
import { vmSuite } from './support/vm-suite.ts';
import { VmWorld } from './support/vm-world.ts';

vmSuite('qemu', () =>
  VmWorld.create(createNodeEnv(), (env, cacheDirectory) => createQemuBackend(env, { cacheDirectory })),
);
