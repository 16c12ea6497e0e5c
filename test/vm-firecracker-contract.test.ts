/** The contract of `VmInstance`, held by VMs on the stand-in for Firecracker: caged and with TAP devices where this user may make such, else free. */
import { after } from 'node:test';
import { createNodeEnv } from '../src/env/node/env.ts';
import { createFirecrackerBackend } from '../src/vm/firecracker/backend.ts';
import { cagedOptions } from './support/caged-firecracker.ts';
import { makeNetworkNamespace } from './support/network-namespace.ts';
import { standInOptions } from './support/stand-in-options.ts';
import { vmSuite } from './support/vm-suite.ts';
import { VmWorld } from './support/vm-world.ts';

/** How soon an end is noticed is measured elsewhere. */
const CRASH_NOTICE_MS_MAX = 60_000;

const namespace = process.getuid?.() === 0 ? await makeNetworkNamespace() : null;
after(() => namespace?.close());

vmSuite(
  namespace === null ? 'firecracker' : 'firecracker in a cage',
  () =>
    VmWorld.create(
      createNodeEnv(),
      (env, cacheDirectory) =>
        createFirecrackerBackend(env, {
          cacheDirectory,
          program: standInOptions.binary,
          ...(namespace === null ? {} : cagedOptions(namespace)),
        }),
      { memoryMib: 256, portability: 'host' },
    ),
  CRASH_NOTICE_MS_MAX,
);
