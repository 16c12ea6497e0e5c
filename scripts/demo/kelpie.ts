/** Runs the real `bin/kelpie` as a person would, one host per state directory. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../bin/kelpie', import.meta.url));
const RUN_TIMEOUT_MS = 15 * 60_000;

export interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start of the program to its end. */
  readonly wallMs: number;
}

export class DemoHost {
  readonly name: string;
  readonly home: string;

  constructor(name: string, home: string) {
    this.name = name;
    this.home = home;
  }

  /** Runs a command line and gives what it left, whatever its status. */
  async run(args: readonly string[], options: { readonly showsProgress?: boolean } = {}): Promise<RunResult> {
    const startedMs = performance.now();
    const child = spawn(launcher, args, {
      env: { ...process.env, KELPIE_HOME: this.home },
      stdio: ['ignore', 'pipe', options.showsProgress === true ? 'inherit' : 'pipe'],
      timeout: RUN_TIMEOUT_MS,
    });
    const [stdout, stderr, status] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      new Promise<number>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code) => {
          resolve(code ?? 255);
        });
      }),
    ]);
    return { status, stdout, stderr, wallMs: performance.now() - startedMs };
  }

  /** Runs a command line that must succeed. */
  async must(
    args: readonly string[],
    options: { readonly showsProgress?: boolean } = {},
  ): Promise<RunResult> {
    const result = await this.run(args, options);
    if (result.status === 0) return result;
    throw new Error(
      `kelpie ${args.join(' ')} on ${this.name} ended with ${result.status}: ${result.stderr}${result.stdout}`,
    );
  }

  /** The JSON result of a command that must succeed. */
  async json(
    args: readonly string[],
    options: { readonly showsProgress?: boolean } = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const { stdout } = await this.must([...args, '--json'], options);
    return record(JSON.parse(stdout), `the result of kelpie ${args[0] ?? ''}`);
  }
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  if (stream === null) return '';
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** A JSON object, checked. */
export function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what} is not an object`);
  return Object.fromEntries(Object.entries(value));
}

/** A number in a JSON object, checked. */
export function numberAt(value: Readonly<Record<string, unknown>>, key: string): number {
  const found = value[key];
  if (typeof found !== 'number') throw new Error(`${key} is not a number`);
  return found;
}
