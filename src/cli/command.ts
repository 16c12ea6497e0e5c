/** How a command is declared, so that only the one that was typed is loaded. */
import type { Command } from 'commander';
import { KelpieError } from '../base/errors.ts';
import { HOUR_MS, SECOND_MS } from '../base/units.ts';
import { LEASE_MS_MAX, LEASE_MS_MIN, PORT_MAX } from '../daemon/api/limits.ts';
import type { Cli } from './cli.ts';

/** Options as commander gives them: `--no-image` → `{image: false}`. */
export type Options = Readonly<Record<string, unknown>>;

/** Runs a command; resolves with its exit status. */
export type Handler = (cli: Cli, args: readonly string[], options: Options) => Promise<number>;

export interface LeafCommand {
  /** Adds arguments, options and examples. */
  readonly declare: (command: Command) => void;
  readonly run: Handler;
}

/** A command of a group. */
export interface MemberCommand extends LeafCommand {
  /** One line for the help of the group. */
  readonly summary: string;
}

/** A group such as `kelpie image`: its members are commands of their own. */
export interface CommandGroup {
  readonly members: Readonly<Record<string, MemberCommand>>;
}

export type CommandDefinition = LeafCommand | CommandGroup;

/** Text of an option that was given; null when it was not. */
export function textOption(options: Options, name: string): string | null {
  const value = options[name];
  return typeof value === 'string' ? value : null;
}

/**
 * Text of an option that the API takes as this field; null when it was not given.
 * @throws KelpieError `usage` that tells the option.
 */
export async function checkedOption(
  options: Options,
  name: string,
  field: 'hostReference' | 'packageReference' | 'snapshotReference' | 'vmName',
): Promise<string | null> {
  const text = textOption(options, name);
  if (text === null) return null;
  // Not sooner: to load what schemas are made of takes longer than the rest of a command's start.
  const fields = await import('../daemon/api/fields.ts');
  const parsed = fields[field].safeParse(text);
  if (parsed.success) return parsed.data;
  throw new KelpieError('usage', `--${name} ${parsed.error.issues[0]?.message}, not "${text}".`);
}

export function isSet(options: Options, name: string): boolean {
  return options[name] === true;
}

export function listOption(options: Options, name: string): readonly string[] {
  const value = options[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Bounds of a number, both included. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** @throws KelpieError `usage` that tells the option, as people typed it; the API would tell its own field's name. */
export function requireWithin(value: number, what: string, { min, max }: Bounds, unit = ''): number {
  if (value < min || value > max)
    throw new KelpieError('usage', `${what} must be ${min} … ${max}${unit}, not ${value}.`);
  return value;
}

/** A whole number. @throws KelpieError `usage`. */
export function parseCount(text: string, what: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new KelpieError('usage', `${what} must be a whole number, not "${text}".`);
  return Number(text);
}

/** `512`, `512m`, `4g` → mebibytes. @throws KelpieError `usage`. */
export function parseMib(text: string, what: string): number {
  const match = /^(\d{1,9})(m|mib|g|gib)?$/i.exec(text);
  if (match === null) throw new KelpieError('usage', `${what} must be like 512 (MiB) or 4g, not "${text}".`);
  const isGib = (match[2] ?? 'm').toLowerCase().startsWith('g');
  return Number(match[1]) * (isGib ? 1024 : 1);
}

/** `8080:80` → a forward. @throws KelpieError `usage`. */
export function parsePublish(text: string): { readonly hostPort: number; readonly guestPort: number } {
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text);
  if (match === null)
    throw new KelpieError('usage', `--publish must be HOST:GUEST, like 8080:80, not "${text}".`);
  const port = (digits: string | undefined): number =>
    requireWithin(Number(digits), 'a port of --publish', { min: 1, max: PORT_MAX });
  return { hostPort: port(match[1]), guestPort: port(match[2]) };
}

/** `30`, `30s`, `5m`, `500ms`, `7d` → milliseconds. @throws KelpieError `usage`. */
export function parseDurationMs(text: string, what: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(text);
  if (match === null)
    throw new KelpieError('usage', `${what} must be like 30s, 500ms, 5m or 7d, not "${text}".`);
  const factors: Readonly<Record<string, number>> = {
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000,
    d: 86_400_000,
  };
  return Number(match[1]) * (factors[match[2] ?? 's'] ?? 1000);
}

/** `60s` → how long a right to run a VM lasts without being renewed. @throws KelpieError `usage`. */
export function parseLeaseMs(text: string): number {
  const durationMs = parseDurationMs(text, '--lease');
  if (durationMs >= LEASE_MS_MIN && durationMs <= LEASE_MS_MAX) return durationMs;
  const bound =
    durationMs < LEASE_MS_MIN
      ? `at least ${LEASE_MS_MIN / SECOND_MS} s`
      : `at most ${LEASE_MS_MAX / HOUR_MS} h`;
  throw new KelpieError('usage', `--lease must be ${bound}, not "${text}".`);
}

/** For options that may be given several times. */
export function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value];
}
