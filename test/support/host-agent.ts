/** The real guest agent, compiled for this machine and run on it as a plain process over a Unix socket. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { connectGuestAgent } from '../../src/guest/connect-guest-agent.ts';
import type { GuestAgent } from '../../src/guest/guest-agent.ts';

const sourceDirectory = join(import.meta.dirname, '../../guest-agent');
const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
const run = promisify(execFile);

/** Builds the agent, which does nothing when it is built already. */
export async function buildHostAgent(): Promise<void> {
  await run('make', ['-C', sourceDirectory, architecture]);
}

export class HostAgent implements AsyncDisposable {
  /** A private folder that goes with the agent. */
  readonly directory: string;
  readonly #process: ChildProcess;

  private constructor(directory: string, agentProcess: ChildProcess) {
    this.directory = directory;
    this.#process = agentProcess;
  }

  static async start(): Promise<HostAgent> {
    const directory = await mkdtemp(join(tmpdir(), 'kelpie-agent-'));
    const program = join(sourceDirectory, 'build', `kelpie-agent-${architecture}`);
    const options = [
      '--listen-unix',
      join(directory, 'agent.sock'),
      '--generation-file',
      join(directory, 'generation'),
    ];
    const child = spawn(program, options, { stdio: ['ignore', 'ignore', 'inherit'] });
    await once(child, 'spawn');
    return new HostAgent(directory, child);
  }

  connect(): Promise<GuestAgent> {
    const env = createNodeEnv();
    const path = join(this.directory, 'agent.sock');
    return connectGuestAgent(env, (signal) => env.sockets.connect({ kind: 'unix', path }, signal), {
      timeoutMs: 5000,
    });
  }

  /** What the process itself holds. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await exited;
    }
    await rm(this.directory, { recursive: true });
  }
}
