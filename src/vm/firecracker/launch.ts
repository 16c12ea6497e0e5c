/** A Firecracker process and its API: started, caged or not, or found again. */
import type { Env } from '../../env/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { findVmm, launchVmm } from '../launch.ts';
import type { FirstAnswer } from '../launch.ts';
import type { SupervisedProcess } from '../vmm-process.ts';
import { describeInstance } from './api/calls.ts';
import type { InstanceInfo } from './api/calls.ts';
import { FirecrackerApi, isUnserved } from './api/client.ts';
import type { CommandLine } from './command-line.ts';
import type { FirecrackerProcess } from './context.ts';
import type { ProcessPlaces } from './process-places.ts';

/** As `launchVmm`. */
export async function launchFirecracker(
  env: Env,
  { command, args }: CommandLine,
  places: ProcessPlaces,
  signal: AbortSignal | undefined,
): Promise<FirecrackerProcess> {
  const api = new FirecrackerApi(env, places.api);
  // A cage is its own working directory; outside of one, names are relative to the folder.
  const started = { command, args, cwd: places.root, log: places.console };
  const { process } = await launchVmm(env, started, firstAnswer(api), signal);
  return withApi(process, api);
}

export interface FoundProcess {
  readonly process: FirecrackerProcess;
  readonly info: InstanceInfo;
}

/** As `findVmm`. */
export async function findFirecracker(
  env: Env,
  identity: ProcessIdentity,
  places: ProcessPlaces,
): Promise<FoundProcess | null> {
  const api = new FirecrackerApi(env, places.api);
  const found = await findVmm(env, identity, firstAnswer(api));
  // What answers may be the last of a process that is ending.
  if (found === null || !(await env.processes.isAlive(identity))) return null;
  return { process: withApi(found.process, api), info: found.answer };
}

function firstAnswer(api: FirecrackerApi): FirstAnswer<InstanceInfo> {
  return { name: 'Firecracker', ask: () => describeInstance(api), isUnserved };
}

function withApi(process: SupervisedProcess, api: FirecrackerApi): FirecrackerProcess {
  const { identity, ended, hasEnded } = process;
  return { identity, ended, hasEnded, api, end: () => process.end() };
}
