/** Firecracker's log: to standard output until a file is named. */
import { appendFileSync } from 'node:fs';
import type { ApiLog, LogSettings } from '../../src/sim/firecracker/handlers.ts';
import { hostPath } from './paths.ts';
import type { Jail } from './settings.ts';

const levels = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const;
type Level = (typeof levels)[number];

const aliases: Readonly<Record<string, Level>> = { warning: 'warn' };

/** The names are case-insensitive. @returns null when there is no such level. */
export function parseLevel(name: string): Level | null {
  const lower = name.toLowerCase();
  return levels.find((level) => level === lower) ?? aliases[lower] ?? null;
}

export class Log implements ApiLog {
  readonly #id: string;
  readonly #jail: Jail | null;
  #path: string | null = null;
  #level: Level = 'info';
  #hasLevel = false;

  constructor(id: string, jail: Jail | null) {
    this.#id = id;
    this.#jail = jail;
  }

  configure({ path, level, hasLevel }: LogSettings): void {
    if (path !== null) {
      const at = hostPath(path, this.#jail);
      appendFileSync(at, '');
      this.#path = at;
    }
    this.#level = (level === null ? null : parseLevel(level)) ?? this.#level;
    this.#hasLevel = hasLevel;
  }

  write(level: Exclude<Level, 'off'>, message: string): void {
    if (levels.indexOf(level) > levels.indexOf(this.#level)) return;
    const at = `${new Date().toISOString().slice(0, -1)}000000`;
    const mark = this.#hasLevel ? `:${level.toUpperCase()}` : '';
    const line = `${at} [${this.#id}:main${mark}] ${message}\n`;
    if (this.#path === null) process.stdout.write(line);
    else appendFileSync(this.#path, line);
  }
}
