/** One process of the binary under test, in a folder of its own; ended, and looked after, with the test. */
import { fromUtf8Lossy, utf8 } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { GIB } from '../../src/base/units.ts';
import type { Env } from '../../src/env/env.ts';
import { isSystemError } from '../../src/env/system-error.ts';
import type { Child } from '../../src/env/processes.ts';
import { eventually } from '../support/eventually.ts';
import { isAlive } from '../support/host-processes.ts';
import { ask } from './api-client.ts';
import type { Answer } from './api-client.ts';
import type { Outside } from './outside.ts';

const READY_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 30_000;
const OUTPUT_CHARS_MAX = 64 * 1024;
const FILE_BYTES_MAX: number = 2 * GIB;

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** The process's folder; paths in requests are relative to it. */
  readonly folder: string;
  readonly socketPath: string;
}

/** What runs now, and ends with this process whatever ends that. */
const running = new Set<Child>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class UnderTest {
  readonly env: Env;
  readonly folder: string;
  readonly #outside: Outside;
  readonly #socketPath: string;
  readonly #child: Child;
  readonly #ended: Promise<number | string>;
  #output = '';
  #hasEnded = false;

  private constructor(outside: Outside, { folder, socketPath }: Launch, child: Child) {
    this.env = outside.env;
    this.folder = folder;
    this.#outside = outside;
    this.#socketPath = socketPath;
    this.#child = child;
    running.add(child);
    this.#ended = this.#wait();
    for (const stream of [child.stdout, child.stderr]) void this.#keep(stream);
  }

  /** @throws Error when its socket does not answer in time. */
  static async launch(outside: Outside, launch: Launch): Promise<UnderTest> {
    const { program: command, args, folder: cwd } = launch;
    const child = await outside.env.processes.spawn({ command, args, cwd, output: 'capture' });
    const one = new UnderTest(outside, launch, child);
    const isReady = async (): Promise<boolean> => {
      if (one.#hasEnded) throw new Error(`it ended: ${one.#output}`);
      return await one.#isAnswering();
    };
    await eventually(isReady, 'the API answers', () => one.#output, READY_TIMEOUT_MS);
    return one;
  }

  /** The process that was started, which has the guest's memory. */
  get pid(): number {
    return this.#child.identity.pid;
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
    return `${this.folder}/${name}`;
  }

  async read(name: string): Promise<Buffer> {
    const bytes = await this.env.files.readFile(this.path(name), FILE_BYTES_MAX);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async readText(name: string): Promise<string> {
    return (await this.read(name)).toString('utf8');
  }

  /** Replaces what is there. */
  async write(name: string, content: Bytes | string): Promise<void> {
    await writeFile(this.env, this.path(name), typeof content === 'string' ? utf8(content) : content);
  }

  async copy(name: string, target: string): Promise<void> {
    await this.env.files.clone(this.path(name), this.path(target));
  }

  /** Whether or not it is there. */
  async remove(name: string): Promise<void> {
    await this.env.files.removeTree(this.path(name));
  }

  async truncate(name: string, length: number): Promise<void> {
    const file = await this.env.files.open(this.path(name), 'r+');
    try {
      await file.truncate(length);
    } finally {
      await file.close();
    }
  }

  /** What a file takes on the disk, and its length. */
  async sizes(name: string): Promise<{ readonly length: number; readonly allocated: number }> {
    const { sizeBytes, allocatedBytes } = await this.env.files.stat(this.path(name));
    return { length: sizeBytes, allocated: allocatedBytes };
  }

  async get(path: string): Promise<Answer> {
    return await ask(this.env, this.#socketPath, 'GET', path);
  }

  async put(path: string, body: unknown): Promise<Answer> {
    return await ask(this.env, this.#socketPath, 'PUT', path, body);
  }

  async patch(path: string, body: unknown): Promise<Answer> {
    return await ask(this.env, this.#socketPath, 'PATCH', path, body);
  }

  /** The exit code, or the signal's name, when it ends by itself. @throws Error when it does not in time. */
  async end(): Promise<number | string> {
    const late = AbortSignal.timeout(END_TIMEOUT_MS);
    const { promise, reject } = Promise.withResolvers<never>();
    late.addEventListener('abort', () => reject(new Error(`it has not ended: ${this.#output}`)));
    return await Promise.race([this.#ended, promise]);
  }

  /** Processes of it beside itself that live. */
  descendants(): readonly number[] {
    return this.#outside.descendants(this.pid);
  }

  /** Ends it, and waits until nothing of it is left. @throws Error when something of it lives on. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const family = this.descendants();
    this.#child.kill(signal);
    await this.end();
    const areGone = async (): Promise<boolean> => !(await Promise.all(family.map(isAlive))).includes(true);
    await eventually(areGone, 'its processes have ended', () => family, END_TIMEOUT_MS);
  }

  async #wait(): Promise<number | string> {
    const status = await this.#child.wait();
    this.#hasEnded = true;
    running.delete(this.#child);
    return 'code' in status ? status.code : status.signal;
  }

  async #keep(stream: AsyncIterable<Bytes>): Promise<void> {
    for await (const chunk of stream)
      this.#output = (this.#output + fromUtf8Lossy(chunk)).slice(-OUTPUT_CHARS_MAX);
  }

  async #isAnswering(): Promise<boolean> {
    try {
      return (await this.get('/version')).status === 200;
    } catch (error) {
      if (isSystemError(error)) return false;
      throw error;
    }
  }
}

/** Replaces a file, or makes it. */
export async function writeFile({ files }: Pick<Env, 'files'>, path: string, bytes: Bytes): Promise<void> {
  const file = await files.open(path, 'w');
  try {
    await file.write(bytes, 0);
  } finally {
    await file.close();
  }
}
