import { open, stat } from 'node:fs/promises';
import { assert, defined } from '../../base/assert.ts';
import { ADOPTED_POLL_MS_MAX } from '../processes.ts';
import { isSystemError, SystemError } from '../system-error.ts';
import { NodeChild } from './child.ts';
import { childProcess } from './late-modules.ts';
import { createProcessTable } from './process-table.ts';
import { attempt, toSystemError } from './system-errors.ts';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { AdoptedProcess, Child, Processes, ProcessIdentity, SpawnOptions } from '../processes.ts';
import type { Clock } from '../clock.ts';
import type { Variables } from './host.ts';
import type { ProcessTable } from './process-table.ts';

/** Well within what is promised, for a machine under load. */
const ADOPTED_POLL_MS: number = ADOPTED_POLL_MS_MAX / 4;
const OUTPUT_FILE_MODE = 0o600;

class NodeProcesses implements Processes {
  private readonly clock: Clock;
  private readonly variables: Variables;
  private readonly table: ProcessTable = createProcessTable();

  constructor(clock: Clock, variables: Variables) {
    this.clock = clock;
    this.variables = variables;
  }

  async spawn(options: SpawnOptions): Promise<Child> {
    assert(options.detached !== true || options.output !== 'capture', 'what outlives us writes to a file');
    const file = typeof options.output === 'object' ? await openOutput(options.output.path) : null;
    try {
      return await this.start(options, file?.fd ?? (options.output === 'capture' ? 'pipe' : 'ignore'));
    } finally {
      await file?.close();
    }
  }

  private async start(options: SpawnOptions, output: number | 'pipe' | 'ignore'): Promise<Child> {
    const stdio: StdioOptions = [options.stdin ?? 'ignore', output, output];
    const settings = {
      stdio,
      detached: options.detached ?? false,
      env: { ...(options.environment ?? this.variables) },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    };
    let process: ChildProcess;
    try {
      process = childProcess().spawn(options.command, options.args, settings);
      if (process.pid === undefined) await failureOf(process);
    } catch (error) {
      throw await spawnError(options, error);
    }
    // Read in the same turn: Node cannot have reaped it yet, so even one that has ended is still to be seen.
    const identity = this.table.identify(defined(process.pid, 'pid of a started process'));
    return new NodeChild(process, defined(identity, 'an unreaped child'), settings.detached);
  }

  async adopt(identity: ProcessIdentity): Promise<AdoptedProcess | null> {
    if (!this.table.isRunning(identity)) return null;
    return {
      identity,
      wait: async () => {
        while (this.table.isRunning(identity)) await this.clock.sleep(ADOPTED_POLL_MS);
      },
      kill: (signal) => this.kill(identity, signal),
    };
  }

  async isAlive(identity: ProcessIdentity): Promise<boolean> {
    return this.table.isRunning(identity);
  }

  async list(): ReturnType<Processes['list']> {
    return this.table.list();
  }

  /** Between the look and the signal a number could be recycled, but only if the whole range wraps in a microsecond. */
  private kill(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL' | 'SIGCONT'): void {
    if (!this.table.isRunning(identity)) return;
    try {
      process.kill(identity.pid, signal);
    } catch (thrown) {
      const error = toSystemError(thrown, 'kill', `process ${identity.pid}`);
      if (!isSystemError(error, 'ESRCH')) throw error;
    }
  }
}

async function openOutput(path: string): Promise<FileHandle> {
  assert(path.startsWith('/'), 'paths are absolute');
  return await attempt('open', path, async () => await open(path, 'a', OUTPUT_FILE_MODE));
}

/** Node tells by an event why a process has no pid. */
async function failureOf(child: ChildProcess): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  child.once('error', reject);
  return await promise;
}

/** The system says `ENOENT` for a missing folder as for a missing program: tell the user which it is. */
async function spawnError(options: SpawnOptions, thrown: unknown): Promise<Error> {
  const error = toSystemError(thrown, 'spawn', options.command);
  if (options.cwd === undefined || !isSystemError(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return error;
  const { cwd } = options;
  try {
    const stats = await stat(cwd);
    return stats.isDirectory() ? error : new SystemError('ENOTDIR', 'spawn', cwd, thrown);
  } catch (refusal) {
    return toSystemError(refusal, 'spawn', cwd);
  }
}

export function createNodeProcesses(clock: Clock, variables: Variables): Processes {
  return new NodeProcesses(clock, variables);
}
