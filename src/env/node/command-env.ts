import { createNodeClock } from './clock.ts';
import { createNodeFiles } from './files.ts';
import { createNodeHost } from './host.ts';
import { createNodeProcesses } from './processes.ts';
import { createNodeRandom } from './random.ts';
import { createNodeSockets } from './sockets.ts';
import type { CommandEnv } from '../env.ts';
import type { Http } from '../http.ts';
import type { Variables } from './host.ts';

export interface NodeEnvOptions {
  /** The environment variables that the program and its children see; absent: this process's own. */
  readonly variables?: Variables;
}

/**
 * The real world without what only the daemon does.
 * @throws KelpieError `backend_unavailable` on a platform that Kelpie does not run on.
 */
export function createCommandEnv(options: NodeEnvOptions = {}): CommandEnv {
  const variables = options.variables ?? process.env;
  const clock = createNodeClock();
  return {
    clock,
    random: createNodeRandom(),
    files: createNodeFiles(),
    sockets: createNodeSockets(),
    processes: createNodeProcesses(clock, variables),
    http: createNodeHttp(),
    host: createNodeHost(variables),
  };
}

/** Node's HTTP is loaded with the first use: it takes a third of a short command's start. */
function createNodeHttp(): Http {
  return {
    request: async (request) => {
      const { sendRequest } = await import('./http-client.ts');
      return await sendRequest(request);
    },
    serve: async (address, handler) => {
      const { serveHttp } = await import('./http-server.ts');
      return await serveHttp(address, handler);
    },
  };
}
