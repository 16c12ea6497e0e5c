/** Firecracker's log: to standard output until a file is named. */
import { appendFileSync } from 'node:fs';

const levels = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type Level = (typeof levels)[number];

const aliases: Readonly<Record<string, Level>> = { warning: 'warn' };

/** The names are case-insensitive. @returns null when there is no such level. */
export function parseLevel(name: string): Level | null {
  const lower = name.toLowerCase();
  return levels.find((level) => level === lower) ?? aliases[lower] ?? null;
}

export class Log {
  readonly #id: string;
  #path: string | null = null;
  #level: Level = 'info';
  #hasLevel = false;

  constructor(id: string) {
    this.#id = id;
  }

  /** @throws Error of the system when the file cannot be written. */
  configure(options: {
    readonly path: string | null;
    readonly level: Level | null;
    readonly hasLevel: boolean;
  }): void {
    if (options.path !== null) {
      appendFileSync(options.path, '');
      this.#path = options.path;
    }
    this.#level = options.level ?? this.#level;
    this.#hasLevel = options.hasLevel;
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
