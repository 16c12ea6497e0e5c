/** One process of the binary under test, in a folder of its own; ended, and looked after, with the test. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { isAlive } from '../support/host-processes.ts';
import { ask } from './api-client.ts';
import type { Answer } from './api-client.ts';

const READY_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 30_000;
const OUTPUT_CHARS_MAX = 64 * 1024;

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** The process's folder; paths in requests are relative to it. */
  readonly folder: string;
  readonly socketPath: string;
}

/** What runs now, and ends with this process whatever ends that. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class UnderTest {
  readonly folder: string;
  readonly #socketPath: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  #output = '';
  #hasEnded = false;

  private constructor(launch: Launch) {
    this.folder = launch.folder;
    this.#socketPath = launch.socketPath;
    this.#child = spawn(launch.program, [...launch.args], {
      cwd: launch.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    const { promise, resolve, reject } = Promise.withResolvers<number | string>();
    this.#ended = promise;
    this.#child.once('error', reject);
    this.#child.once('exit', (code, signal) => {
      this.#hasEnded = true;
      running.delete(this.#child);
      resolve(code ?? signal ?? 'unknown');
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-OUTPUT_CHARS_MAX);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
  }

  /** @throws Error when its socket does not answer in time. */
  static async launch(launch: Launch): Promise<UnderTest> {
    const one = new UnderTest(launch);
    const isReady = async (): Promise<boolean> => {
      if (one.#hasEnded) throw new Error(`it ended: ${one.#output}`);
      return existsSync(launch.socketPath) && (await one.#isAnswering());
    };
    await eventually(isReady, 'the API answers', () => one.#output, READY_TIMEOUT_MS);
    return one;
  }

  /** The process that was started, which has the guest's memory. */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('it was never started');
    return pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it printed, from the end. */
  get output(): string {
    return this.#output;
  }

  /** An absolute path of a file of it. */
  path(name: string): string {
    return join(this.folder, name);
  }

  async get(path: string): Promise<Answer> {
    return await ask(this.#socketPath, 'GET', path);
  }

  async put(path: string, body: unknown): Promise<Answer> {
    return await ask(this.#socketPath, 'PUT', path, body);
  }

  async patch(path: string, body: unknown): Promise<Answer> {
    return await ask(this.#socketPath, 'PATCH', path, body);
  }

  /** The exit code, or the signal's name, when it ends by itself. @throws Error when it does not in time. */
  async end(): Promise<number | string> {
    const late = AbortSignal.timeout(END_TIMEOUT_MS);
    const { promise, reject } = Promise.withResolvers<never>();
    late.addEventListener('abort', () => reject(new Error(`it has not ended: ${this.#output}`)));
    return await Promise.race([this.#ended, promise]);
  }

  /** Ends it, and waits until nothing of it is left. @throws Error when something of it lives on. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const family = descendants(this.pid);
    this.#child.kill(signal);
    await this.end();
    const areGone = async (): Promise<boolean> => !(await Promise.all(family.map(isAlive))).includes(true);
    await eventually(areGone, 'its processes have ended', () => family, END_TIMEOUT_MS);
  }

  async #isAnswering(): Promise<boolean> {
    try {
      return (await this.get('/version')).status === 200;
    } catch (error) {
      if (error instanceof Error && 'code' in error) return false;
      throw error;
    }
  }
}

/** Processes that a process started, and those that they did. */
export function descendants(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : null;
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (const next = [pid]; next.length > 0;) {
    const direct = children.get(next.pop() ?? 0) ?? [];
    found.push(...direct);
    next.push(...direct);
  }
  return found;
}

function parentOf(pid: string): number | null {
  const stat = readStat(pid);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return fields[1] === undefined ? null : Number(fields[1]);
}

/** Null when the process is gone. */
function readStat(pid: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    const isGone =
      error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH');
    if (isGone) return null;
    throw error;
  }
}
