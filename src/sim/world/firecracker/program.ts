/**
 * `firecracker`, simulated at the wire: command line, interface over a Unix socket, vsock, files of snapshots, `/proc` files. Its rules are those of
 * `../../firecracker`, which the stand-in for tests has too.
 */
import { MIB } from '../../../base/units.ts';
import type { Env } from '../../../env/env.ts';
import { isSystemError } from '../../../env/system-error.ts';
import {
  answerOf,
  ArgumentError,
  EXIT_ARGUMENTS,
  EXIT_ERROR,
  firecrackerOptions,
  instanceIdOf,
  parseCommandLine,
} from '../../firecracker/command-line.ts';
import type { CommandLine } from '../../firecracker/command-line.ts';
import { Fault, osError } from '../../firecracker/fault.ts';
import { Api } from '../../firecracker/handlers.ts';
import { Instance } from '../../firecracker/instance.ts';
import { StateFileError } from '../../firecracker/state-file.ts';
import type { Version } from '../../firecracker/version.ts';
import type { Program } from '../../machine.ts';
import type { SimProcess } from '../../process.ts';
import { normalized } from '../../disk/paths.ts';
import { BadLayer } from '../guest-disk.ts';
import { vmKeyAt } from '../held-guest.ts';
import type { WorldTruth } from '../world-truth.ts';
import { serveApi } from './api-server.ts';
import type { KernelObjects } from './kernel-objects.ts';
import { SimPlatform } from './platform.ts';
import { SimLog, SimMetrics } from './reports.ts';
import { ApiTroubles } from './troubles.ts';
import { printer, tryAppendText } from './text-file.ts';

/** Simulated milliseconds. */
const START_MS_MAX = 20;
const COMMAND_MS_MAX = 4;
const TRIAL_MS_MAX = 300;
const FILE_BYTES_MAX: number = 16 * MIB;

/** The program, of a version, whose guests' truth is told to `truth`. @param kernel null: there are no network devices for it. */
export function firecrackerProgram(
  truth: WorldTruth,
  version: Version,
  kernel: KernelObjects | null = null,
): Program {
  return async (context) => {
    const { process, env, args, streams } = context;
    const at = (path: string): string => hostPath(process, path);
    const print = printer(context, 'firecracker');
    try {
      const line = parseCommandLine(args.slice(1), firecrackerOptions);
      const answer = await answerOf(line, version, (path) => env.files.readFile(at(path), FILE_BYTES_MAX));
      if (answer !== null) {
        await print(answer);
        return 0;
      }
      const strike = process.machine.faults.hit('vm_boot_fail', process.label);
      if (strike !== null) throw new Fault('Seccomp error: Cannot build seccomp filters (simulated)');
      if (line.has('no-api')) return await tryGuest(process, env);
      return await serve(process, env, { truth, version, kernel, line, at, output: streams.file });
    } catch (error) {
      const complaint = complaintOf(error);
      if (complaint === null) throw error;
      await print(`Error: ${complaint}\n`);
      return error instanceof ArgumentError ? EXIT_ARGUMENTS : EXIT_ERROR;
    }
  };
}

/** A path that a process names, as its machine has it: a caged one sees nothing above its root. */
function hostPath({ root, cwd }: SimProcess, path: string): string {
  const own = path.startsWith('/') ? path : `${cwd}/${path}`;
  return root === '/' ? own : `${root}${normalized(own)}`;
}

/** What is said of an error that ends the process; null for one that is a bug. */
function complaintOf(error: unknown): string | null {
  if (isSystemError(error)) return osError(error);
  const known = [ArgumentError, StateFileError, Fault, BadLayer];
  return error instanceof Error && known.some((kind) => error instanceof kind) ? error.message : null;
}

/** Without the interface only a guest is started that turns itself off, to see whether guests run (`vm/firecracker/kvm-trial.ts`). */
async function tryGuest({ machine }: SimProcess, env: Env): Promise<number> {
  await env.clock.sleep(machine.random.fraction() * TRIAL_MS_MAX);
  return 0;
}

interface Serving {
  readonly truth: WorldTruth;
  readonly version: Version;
  readonly kernel: KernelObjects | null;
  readonly line: CommandLine;
  readonly at: (path: string) => string;
  /** Where the console goes; null: nowhere. */
  readonly output: string | null;
}

async function serve(
  process: SimProcess,
  env: Env,
  { truth, version, kernel, line, at, output }: Serving,
): Promise<number> {
  const id = instanceIdOf(line);
  const { machine } = process;
  const exit = Promise.withResolvers<number>();
  const socketPath = at(line.value('api-sock') ?? '');
  const log = new SimLog(machine, at, output);
  const metrics = new SimMetrics(machine, at);
  const vmSocket = socketPath.replace(/\/jail\/[^/]+\/[^/]+\/root\//, '/');
  const die = (): void => void truth.died.add(vmKeyAt(vmSocket));
  const onGuestEnd = (words: string | null): void => {
    if (words !== null && output !== null) tryAppendText(machine, output, `${words}\n`);
    // Where nobody can read that it ended well, it counts as crashed.
    if (!log.tryWrite('Firecracker exiting successfully. exit_code=0')) die();
    exit.resolve(0);
  };
  const platform = new SimPlatform(
    { process, env, truth, kernel, socketPath: vmSocket, at, onGuestEnd },
    version,
  );
  const instance = new Instance(platform);
  const nowMs = (): number => machine.scheduler.nowMs;
  const api = new Api({ id, version, instance, log, metrics, nowMs, more: {} });
  const troubles = new ApiTroubles(process, env, die);
  let isFatal = false;
  const onFatal = (): void => {
    isFatal = true;
    truth.mark('firecracker: ended by a failed load');
  };

  await env.clock.sleep(machine.random.fraction() * START_MS_MAX);
  await serveApi(
    env,
    socketPath,
    async (request) => {
      // Who asks is not who started it.
      if (instance.state !== 'Not started' && process.parent?.isAlive === false)
        truth.mark('firecracker: adopted');
      await platform.machine?.held.passed();
      await env.clock.sleep(machine.random.fraction() * COMMAND_MS_MAX);
      return await troubles.around(request, () => api.handle(request, onFatal), onFatal);
    },
    () => {
      if (isFatal) exit.resolve(EXIT_ERROR);
    },
  );
  return await exit.promise;
}
