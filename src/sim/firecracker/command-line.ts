/** Reads a command line as Firecracker and its jailer do. */
import type { Bytes } from '../../base/bytes.ts';
import { Fault } from './fault.ts';
import { describeStateFile } from './state-file.ts';
import { formatVersion, snapshotFormat } from './version.ts';
import type { Version } from './version.ts';

/** How Firecracker's process ends when it could not begin, or is of no more use. */
export const EXIT_ERROR = 1;
/** The command line was not understood. */
export const EXIT_ARGUMENTS = 153;

export interface Option {
  readonly takesValue?: boolean;
  readonly isRequired?: boolean;
  readonly isRepeatable?: boolean;
  readonly forbids?: string;
  readonly requires?: string;
  readonly byDefault?: string;
}

export type Options = Readonly<Record<string, Option>>;

/** Those of Firecracker itself. */
export const firecrackerOptions: Options = {
  'api-sock': { takesValue: true, byDefault: '/run/firecracker.socket' },
  id: { takesValue: true, byDefault: 'anonymous-instance' },
  'seccomp-filter': { takesValue: true, forbids: 'no-seccomp' },
  'no-seccomp': { forbids: 'seccomp-filter' },
  'start-time-us': { takesValue: true },
  'start-time-cpu-us': { takesValue: true },
  'parent-cpu-time-us': { takesValue: true },
  'config-file': { takesValue: true },
  metadata: { takesValue: true },
  'no-api': { requires: 'config-file' },
  'log-path': { takesValue: true },
  level: { takesValue: true },
  module: { takesValue: true },
  'show-level': {},
  'show-log-origin': {},
  'metrics-path': { takesValue: true },
  'boot-timer': {},
  version: {},
  'snapshot-version': {},
  'describe-snapshot': { takesValue: true },
  'http-api-max-payload-size': { takesValue: true, byDefault: '51200' },
  'mmds-size-limit': { takesValue: true },
  'enable-pci': {},
};

export interface CommandLine {
  has(name: string): boolean;
  /** The value, or the default of the option; null when it has neither. */
  value(name: string): string | null;
  values(name: string): readonly string[];
  /** What stands after `--`. */
  readonly rest: readonly string[];
}

/** The command line was not understood; the texts are those of Firecracker. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

/** @throws ArgumentError. Nothing is required once `--help` or `--version` is there. */
export function parseCommandLine(args: readonly string[], options: Options): CommandLine {
  const separator = args.indexOf('--');
  const own = separator === -1 ? args : args.slice(0, separator);
  const given = readOptions(own, options);
  const isQuestion = given.has('help') || given.has('version');
  if (!isQuestion) checkTogether(given, options);
  return {
    has: (name) => given.has(name),
    value: (name) => given.get(name)?.at(-1) ?? options[name]?.byDefault ?? null,
    values: (name) => given.get(name) ?? [],
    rest: separator === -1 ? [] : args.slice(separator + 1),
  };
}

function readOptions(args: readonly string[], options: Options): Map<string, string[]> {
  const given = new Map<string, string[]>();
  const words = args.values();
  for (const word of words) {
    const { name, inline } = splitOption(word);
    const option = name === 'help' ? {} : options[name];
    if (option === undefined) {
      throw new ArgumentError(
        `Found argument '${name}' which wasn't expected, or isn't valid in this context.`,
      );
    }
    const values = given.get(name) ?? [];
    if (given.has(name) && option.isRepeatable !== true) {
      throw new ArgumentError(`The argument '${name}' was provided more than once.`);
    }
    if (option.takesValue === true) {
      const value = inline ?? words.next().value;
      if (value === undefined || (inline === null && value.startsWith('--'))) {
        throw new ArgumentError(`The argument '${name}' requires a value, but none was supplied.`);
      }
      values.push(value);
    }
    given.set(name, values);
  }
  return given;
}

function splitOption(word: string): { readonly name: string; readonly inline: string | null } {
  if (word === '-h') return { name: 'help', inline: null };
  const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (name === undefined) {
    throw new ArgumentError(
      `Found argument '${word}' which wasn't expected, or isn't valid in this context.`,
    );
  }
  return { name, inline: inline ?? null };
}

function checkTogether(given: ReadonlyMap<string, unknown>, options: Options): void {
  for (const [name, { isRequired, forbids, requires }] of Object.entries(options)) {
    const missing = isRequired === true && !given.has(name) ? name : given.has(name) ? requires : undefined;
    if (missing !== undefined && !given.has(missing)) {
      throw new ArgumentError(`Argument '${missing}' required, but not found.`);
    }
    if (given.has(name) && forbids !== undefined && given.has(forbids)) {
      throw new ArgumentError(`Argument '${forbids}' cannot be used together with argument '${name}'.`);
    }
  }
}

/** Why an id is none, or null: 1 to 64 letters, digits and hyphens. */
export function instanceIdFault(id: string): string | null {
  if (id.length < 1 || id.length > 64) {
    return `Invalid len (${id.length});  the length must be between 1 and 64`;
  }
  const found = /[^\p{L}\p{N}-]/u.exec(id);
  return found === null ? null : `Invalid char (${found[0]}) at position ${found.index}`;
}

/** The instance's, as Firecracker reads it. @throws Fault when it is none. */
export function instanceIdOf(line: CommandLine): string {
  const id = line.value('id') ?? '';
  const fault = instanceIdFault(id);
  if (fault !== null) throw new Fault(`Invalid instance ID: ${fault}`);
  return id;
}

/**
 * What Firecracker answers questions on its command line with, instead of a start; null when the line is none.
 * @throws StateFileError for a file that is no state file; what `readFile` throws.
 */
export async function answerOf(
  line: CommandLine,
  version: Version,
  readFile: (path: string) => Promise<Bytes>,
): Promise<string | null> {
  if (line.has('help')) return `Firecracker v${formatVersion(version)}\n\n(a stand-in, for tests)\n`;
  if (line.has('version')) return `Firecracker v${formatVersion(version)}\n\n`;
  const format = snapshotFormat(version);
  if (line.has('snapshot-version')) return `v${formatVersion(format)}\n`;
  const statePath = line.value('describe-snapshot');
  return statePath === null ? null : `${describeStateFile(await readFile(statePath), format)}\n`;
}
