/** A host for end-to-end suites: the real `bin/kelpie` over its own `KELPIE_HOME`, with the daemon and the QEMUs that it starts. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, link, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { errorCodes } from '../../src/base/error-codes.ts';
import type { ErrorCode } from '../../src/base/error-codes.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';
import { baseImage } from './base-image.ts';
import { isAlive, killProcessesOf, processesOf } from './host-processes.ts';
import { eventually } from './eventually.ts';

const root = join(import.meta.dirname, '../..');
export const launcher: string = join(root, 'bin/kelpie');
/** Small machines: what is tested does not depend on the size, and the machines of a suite share its time. */
export const smallVm: readonly string[] = ['--memory', '192', '--disk', '512'];

const RUN_TIMEOUT_MS = 90_000;
const DAEMON_END_TIMEOUT_MS = 20_000;

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Ends a command that hangs. */
  readonly timeoutMs?: number;
}

export interface HostOptions {
  /** Base images that it has, by their architecture; default: the one of x86_64. */
  readonly images?: readonly Architecture[];
  readonly env?: Readonly<Record<string, string>>;
  /** The beginning of every command line: a program that runs the rest in a world of its own, such as another network. */
  readonly enter?: readonly string[];
}

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly output: Buffer;
}

/** A command that runs: what it has said so far can be watched, and it can be signalled. */
export class RunningCommand {
  readonly child: ChildProcess;
  readonly result: Promise<RunResult>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.child = child;
    this.result = this.#collect();
  }

  async #collect(): Promise<RunResult> {
    const parts: Buffer[] = [];
    this.child.stdout?.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      this.stdout += bytes.toString('latin1');
    });
    this.child.stderr?.on('data', (bytes: Buffer) => (this.stderr += bytes.toString()));
    const [code, signal] = (await once(this.child, 'close')) as [number | null, NodeJS.Signals | null];
    const output = Buffer.concat(parts);
    assert.notEqual(code, null, `the command was ended by ${signal}: ${this.stderr}`);
    return { status: code ?? -1, stdout: output.toString(), stderr: this.stderr, output };
  }

  async untilStdout(wanted: RegExp): Promise<void> {
    await eventually(
      () => wanted.test(this.stdout),
      `${wanted} on stdout`,
      () => this.stdout,
    );
  }

  async untilStderr(wanted: RegExp): Promise<void> {
    await eventually(
      () => wanted.test(this.stderr),
      `${wanted} on stderr`,
      () => this.stderr,
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

export class CliHost {
  readonly name: string;
  readonly home: string;
  readonly #environment: Record<string, string>;
  readonly #enter: readonly string[];

  private constructor(
    name: string,
    home: string,
    environment: Record<string, string>,
    enter: readonly string[],
  ) {
    this.name = name;
    this.home = home;
    this.#environment = environment;
    this.#enter = enter;
  }

  static async create(scratch: string, name: string, options: HostOptions = {}): Promise<CliHost> {
    const home = join(scratch, name);
    await mkdir(join(home, 'images'), { recursive: true, mode: 0o700 });
    for (const architecture of options.images ?? (['x86_64'] as const)) {
      const { files, info } = await baseImage(createNodeEnv(), architecture);
      await linkFiles(dirname(files.kernel), join(home, 'images', info.digest));
    }
    const { NODE_TEST_CONTEXT: _, NO_COLOR: _colour, FORCE_COLOR: _force, ...inherited } = process.env;
    const environment: Record<string, string> = {};
    for (const [key, value] of Object.entries({ ...inherited, ...options.env, KELPIE_HOME: home }))
      if (value !== undefined) environment[key] = value;
    await shareFindings(scratch, home);
    return new CliHost(name, home, environment, options.enter ?? []);
  }

  start(args: readonly string[], options: RunOptions = {}): RunningCommand {
    return this.startProgram(launcher, args, options);
  }

  /** Another program, which may run `kelpie` for this host. */
  startProgram(program: string, args: readonly string[], options: RunOptions = {}): RunningCommand {
    const [first = program, ...rest] = [...this.#enter, program, ...args];
    const child = spawn(first, rest, {
      env: { ...this.#environment, ...options.env },
      cwd: options.cwd ?? this.home,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: options.timeoutMs ?? RUN_TIMEOUT_MS,
    });
    // A command that does not read its input closes it; what it says is in its result.
    child.stdin.on('error', () => undefined);
    if (options.input !== undefined) child.stdin.end(options.input);
    return new RunningCommand(child);
  }

  /** Runs a command line to its end, whatever its status. Its input is empty unless given. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.start(args, { input: '', ...options }).result;
  }

  async must(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const result = await this.run(args, options);
    assert.equal(
      result.status,
      0,
      `kelpie ${args.join(' ')} on ${this.name}: ${result.stderr}${result.stdout}`,
    );
    return result;
  }

  async json(args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    const { stdout } = await this.must([args[0] ?? '', '--json', ...args.slice(1)]);
    return objectOf(JSON.parse(stdout));
  }

  /** Output of a shell command in the guest, which must succeed. */
  async sh(vm: string, script: string): Promise<string> {
    return (await this.must(['exec', vm, '--', 'sh', '-c', script])).stdout.trim();
  }

  /** A command that must fail with `code`, its exit status and one sentence for people. @returns the sentence. */
  async fails(code: ErrorCode, args: readonly string[], options: RunOptions = {}): Promise<string> {
    return failure(code, await this.run(args, options), `kelpie ${args.join(' ')}`);
  }

  async state(vm: string): Promise<string> {
    return String((await this.json(['inspect', vm]))['state']);
  }

  /** @throws AssertionError when it does not run: 0 would mean this process and all its kin. */
  async qemuPid(vm: string): Promise<number> {
    const { pid } = await this.json(['inspect', vm]);
    assert.ok(typeof pid === 'number' && pid > 1, `${vm} has a process`);
    return pid;
  }

  async daemonPid(): Promise<number> {
    const { pid } = objectOf((await this.json(['version']))['daemon']);
    assert.ok(typeof pid === 'number' && pid > 1, 'the daemon has a process');
    return pid;
  }

  /** As a crash does: no handler runs, nothing is tidied up. */
  async killDaemon(): Promise<void> {
    const pid = await this.daemonPid();
    process.kill(pid, 'SIGKILL');
    await eventually(async () => !(await isAlive(pid)), `the daemon ${pid} is gone`);
  }

  /** Removes every VM, ends the daemon, and checks that nothing of this host is left. */
  async close(): Promise<void> {
    const { vms } = await this.json(['ps']);
    assert.ok(Array.isArray(vms));
    for (const vm of vms) await this.must(['rm', '--force', String(objectOf(vm)['id'])]);
    await eventually(
      async () => (await readdir(join(this.home, 'blobs'))).length === 0,
      'the blobs of removed VMs are collected',
      async () => (await readdir(join(this.home, 'blobs'))).join(' '),
    );
    await this.must(['daemon', 'stop']);
    await eventually(
      async () => (await processesOf(this.home)).length === 0,
      `no process of ${this.name} is left`,
      async () => JSON.stringify(await processesOf(this.home)),
      DAEMON_END_TIMEOUT_MS,
    );
    for (const folder of ['run', 'vms', 'operations', 'tmp', 'blobs', 'places'])
      assert.deepEqual(await readdir(join(this.home, folder)), [], `${folder} of ${this.name} is empty`);
    const known = [
      'blobs',
      'cache',
      'downloads',
      'host.json',
      'images',
      'kelpied.lock',
      'kelpied.log',
      'operations',
      'places',
      'run',
      'tmp',
      'vms',
    ];
    const found = (await readdir(this.home)).filter((name) => name !== 'kelpied.log.1');
    assert.deepEqual(found.toSorted(), known, `files of ${this.name}`);
  }
}

/** The sentence of a command that failed as it should. */
export function failure(code: ErrorCode, result: RunResult, what: string): string {
  const told = `${what}: ${result.status} ${result.stderr}${result.stdout}`;
  assert.equal(result.status, errorCodes[code].exit, told);
  const last = result.stderr.trimEnd().split('\n').at(-1) ?? '';
  const match = /^kelpie: (.*) \[([a-z_]+)\]$/.exec(last);
  assert.equal(match?.[2], code, told);
  const sentence = match?.[1] ?? '';
  assert.match(sentence, /\.$/, `a whole sentence: ${sentence}`);
  assert.doesNotMatch(sentence, /undefined|\[object|\bat .*\.ts:\d/, `for people: ${sentence}`);
  return sentence;
}

export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `an object: ${String(value)}`,
  );
  return Object.fromEntries(Object.entries(value));
}

export type MakeHost = (name: string, options?: HostOptions) => Promise<CliHost>;

/** Runs `act` with a folder for stores and the hosts that it makes; ends and checks them, or kills them when the test failed. */
export async function withHosts(act: (make: MakeHost, scratch: string) => Promise<void>): Promise<void> {
  // Short, since sockets lie in it.
  const scratch = await mkdtemp(join(tmpdir(), 'klp-'));
  const hosts: CliHost[] = [];
  try {
    await act(async (name, options) => {
      const host = await CliHost.create(scratch, name, options);
      hosts.push(host);
      return host;
    }, scratch);
    for (const host of hosts) await host.close();
    assert.deepEqual(await processesOf(scratch), [], 'nothing else was started');
  } finally {
    await killProcessesOf(scratch);
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A copy of a folder's files that shares their bytes. */
async function linkFiles(source: string, target: string): Promise<void> {
  await mkdir(target, { mode: 0o700 });
  for (const name of await readdir(source)) await link(join(source, name), join(target, name));
}

/** What the first host has found out about QEMU is true for the others too, and costs two seconds each. */
async function shareFindings(scratch: string, home: string): Promise<void> {
  for (const other of await readdir(scratch)) {
    const findings = join(scratch, other, 'cache');
    if (existsSync(findings)) return cp(findings, join(home, 'cache'), { recursive: true });
  }
}
