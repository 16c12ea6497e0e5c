import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const TIMEOUT_MS = 20_000;

/** @returns its output. @throws Error with what it said, when it does not end well. */
export async function runProgram(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(program, args, { timeout: TIMEOUT_MS });
  return stdout;
}

/** The last thing that a program said which did not end well, to stand in a sentence. */
export function lastWords(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const last = text.trim().split('\n').at(-1) ?? text;
  return last.replace(/\.+$/, '');
}
