import type { Env } from '../../env/env.ts';
import type { SimProcess } from '../process.ts';
import { createSimAge } from './sim-age.ts';
import { createSimClock } from './sim-clock.ts';
import { createSimCompute } from './sim-compute.ts';
import { SimFiles } from './sim-files.ts';
import { createSimHost } from './sim-host.ts';
import { sendRequest } from './sim-http-client.ts';
import { serveHttp } from './sim-http-server.ts';
import { SimProcesses } from './sim-processes.ts';
import { createSimRandom } from './sim-random.ts';
import { SimSockets } from './sim-sockets.ts';

export type MakeEnv = (process: SimProcess) => Env;

/** The world as one process of a simulated machine sees it. */
export function createSimEnv(process: SimProcess): Env {
  const { machine } = process;
  const clock = createSimClock(process);
  const random = createSimRandom(machine.random.split(process.label));
  const sockets = new SimSockets(process);
  return {
    clock,
    random,
    files: new SimFiles(process),
    sockets,
    processes: new SimProcesses(process, createSimEnv),
    http: {
      request: (request) => sendRequest(sockets, process, request),
      serve: (address, handler) => serveHttp({ sockets, clock }, address, handler),
    },
    compute: createSimCompute(process),
    age: createSimAge(process, random),
    host: createSimHost(process),
  };
}
