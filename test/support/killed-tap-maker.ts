/** A daemon that is killed with a TAP just made and nobody told of it. Arguments: run directory, network namespace. */
import { createNodeEnv } from '../../src/env/node/env.ts';
import { createVmTap } from '../../src/vm/firecracker/tap.ts';

const [runDirectory = '', namespace = ''] = process.argv.slice(2);
const node = createNodeEnv();
const env: typeof node = {
  ...node,
  processes: {
    adopt: (identity) => node.processes.adopt(identity),
    isAlive: (identity) => node.processes.isAlive(identity),
    list: () => node.processes.list(),
    spawn: (options) => {
      // The device is there, and is to be brought up.
      if (options.args.includes('set')) process.kill(process.pid, 'SIGKILL');
      return node.processes.spawn(options);
    },
  },
};
await createVmTap(env, { runDirectory, bridge: null, ownerUid: env.host.uid, namespace });
