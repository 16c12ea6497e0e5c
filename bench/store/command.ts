/** Runs a program of somebody else and measures it. */
import { spawn } from 'node:child_process';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const RUN_TIMEOUT_MS = 10 * 60_000;
const MB = 1_000_000;

export interface CommandOptions {
  readonly cwd?: string;
  readonly variables?: Readonly<Record<string, string>>;
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

/** What it printed. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { cwd, variables = {} }: CommandOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_TIMEOUT_MS,
  });
  const [text, said, status] = await Promise.all([
    textOf(child.stdout),
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

/** Bytes of all files under a folder, in megabytes. */
export function folderMb(path: string): number {
  return folderBytes(path) / MB;
}

function folderBytes(path: string): number {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + folderBytes(join(path, name)), 0);
}
