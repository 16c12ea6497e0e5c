/** A command line in a terminal of this machine, made by `script` of util-linux: real line discipline, real window size. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { launcher } from './cli-host.ts';
import type { CliHost, RunningCommand, RunResult } from './cli-host.ts';

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

const run = promisify(execFile);

export class TerminalSession {
  readonly #command: RunningCommand;

  constructor(command: RunningCommand) {
    this.#command = command;
  }

  get result(): Promise<RunResult> {
    return this.#command.result;
  }

  /** All that the screen has shown. */
  get screen(): string {
    return this.#command.stdout;
  }

  /** Types, and waits until what appears after it matches. */
  async type(keys: string, wanted: RegExp): Promise<void> {
    const before = this.screen.length;
    this.#command.child.stdin?.write(keys);
    await eventually(
      () => wanted.test(this.screen.slice(before)),
      `${wanted} on the screen`,
      () => JSON.stringify(this.screen),
    );
  }

  async until(wanted: RegExp): Promise<void> {
    await this.type('', wanted);
  }

  /** As a window manager does: the kernel tells the programs in the terminal. */
  async resize({ rows, columns }: WindowSize): Promise<void> {
    const device = await this.#device();
    await run('stty', ['-F', device, 'rows', String(rows), 'cols', String(columns)]);
  }

  /** The terminal that `script` gave to its child. */
  async #device(): Promise<string> {
    const parent = this.#command.child.pid;
    for (const name of await readdir('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
      if (Number(/\) \S (\d+)/.exec(stat)?.[1]) === parent) return readlink(`/proc/${name}/fd/0`);
    }
    return assert.fail('script has no child');
  }
}

export function startInTerminal(
  host: CliHost,
  args: readonly string[],
  size: WindowSize = { rows: 24, columns: 80 },
  env: Readonly<Record<string, string>> = {},
): TerminalSession {
  const quoted = [launcher, ...args].map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  const line = `stty rows ${size.rows} cols ${size.columns}; exec ${quoted}`;
  return new TerminalSession(host.startProgram('script', ['-q', '-e', '-c', line, '/dev/null'], { env }));
}
