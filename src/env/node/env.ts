import { createNodeClock } from './clock.ts';
import { createNodeCompute } from './compute.ts';
import { createNodeFiles } from './files.ts';
import { createNodeHost } from './host.ts';
import { sendRequest } from './http-client.ts';
import { serveHttp } from './http-server.ts';
import { createNodeProcesses } from './processes.ts';
import { createNodeRandom } from './random.ts';
import { createNodeSockets } from './sockets.ts';
import type { Env } from '../env.ts';
import type { Variables } from './host.ts';

export interface NodeEnvOptions {
  /** The environment variables that the program and its children see; absent: this process's own. */
  readonly variables?: Variables;
}

/**
 * The real world.
 * @throws KelpieError `backend_unavailable` on a platform that Kelpie does not run on.
 */
export function createNodeEnv(options: NodeEnvOptions = {}): Env {
  const variables = options.variables ?? process.env;
  const clock = createNodeClock();
  return {
    clock,
    random: createNodeRandom(),
    files: createNodeFiles(),
    sockets: createNodeSockets(),
    processes: createNodeProcesses(clock, variables),
    http: { request: sendRequest, serve: async (address, handler) => await serveHttp(address, handler) },
    compute: createNodeCompute(),
    host: createNodeHost(variables),
  };
}
