/** Runs a program of somebody else and measures it. */
import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const RUN_TIMEOUT_MS = 10 * 60_000;
const MB = 1_000_000;

export interface CommandOptions {
  readonly cwd?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** File that the program reads from, and one that it writes to. */
  readonly stdin?: string;
  readonly stdout?: string;
}

/** Milliseconds from start to end. @throws Error with what it said when it does not end with status 0. */
export async function timeCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<number> {
  const startedMs = performance.now();
  await runCommand(command, args, options);
  return performance.now() - startedMs;
}

/** What it printed, unless that went to a file. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { cwd, variables = {}, stdin, stdout }: CommandOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...variables },
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT_MS,
  });
  if (stdin !== undefined && child.stdin !== null) createReadStream(stdin).pipe(child.stdin);
  const printed =
    stdout === undefined ? textOf(child.stdout) : streamTo(child.stdout, createWriteStream(stdout));
  const [text, said, status] = await Promise.all([
    printed,
    textOf(child.stderr),
    new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 255));
    }),
  ]);
  if (status === 0) return text;
  throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${said}`);
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

async function streamTo(source: NodeJS.ReadableStream, target: NodeJS.WritableStream): Promise<string> {
  await new Promise((resolve, reject) => {
    target.on('finish', resolve).on('error', reject);
    source.on('error', reject).pipe(target);
  });
  return '';
}

/** Bytes of all files under a folder, in megabytes. */
export function folderMb(path: string): number {
  return folderBytes(path) / MB;
}

function folderBytes(path: string): number {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + folderBytes(join(path, name)), 0);
}
