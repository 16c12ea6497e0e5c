/** The daemon as a program of a simulated machine: the real one, with the backends that its machine has. */
import { defined } from '../../base/assert.ts';
import { isKelpieError } from '../../base/errors.ts';
import { serve } from '../../daemon/main.ts';
import { isSystemError } from '../../env/system-error.ts';
import { createFirecrackerBackend } from '../../vm/firecracker/backend.ts';
import { createQemuBackend } from '../../vm/qemu/backend.ts';
import type { FirecrackerHost } from '../firecracker-hosts.ts';
import type { Machine, Program } from '../machine.ts';
import { daemonOptions } from './firecracker/daemon-options.ts';

/** What its program is called. */
export const FIRECRACKER = 'firecracker';

export function hasFirecracker({ programs }: Machine): boolean {
  return programs.has(FIRECRACKER);
}

/** What `kelpie serve` runs. It ends with an error that it can tell; any other is a bug. */
export function daemonProgram(firecracker: FirecrackerHost): Program {
  return async ({ process, env, args }) => {
    const home = defined(args[1], 'the home');
    try {
      const options = { cacheDirectory: `${home}/cache` };
      const qemu = createQemuBackend(env, options);
      // Where it is not installed it is not looked for either: that would be a step more of every world.
      const backends = hasFirecracker(process.machine)
        ? [createFirecrackerBackend(env, { ...options, ...daemonOptions(firecracker) }), qemu]
        : [qemu];
      await serve(env, { home, backends }, new AbortController().signal);
      return 0;
    } catch (error) {
      if (isKelpieError(error) || isSystemError(error)) return 1;
      throw error;
    }
  };
}
