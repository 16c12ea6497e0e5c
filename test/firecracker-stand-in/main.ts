/**
 * The stand-in's program, started by `firecracker` beside it with that process's id before the arguments: reads the command line, and
 * answers it or serves the interface.
 */
import { ArgumentError, instanceIdFault, parseCommandLine } from './command-line.ts';
import type { CommandLine, Options } from './command-line.ts';
import { Fault, osError } from './fault.ts';
import { readSettings } from './settings.ts';
import type { Settings } from './settings.ts';
import { EXIT_ARGUMENTS, EXIT_ERROR, StartError } from './start-error.ts';
import { describeStateFile, StateFileError } from './state-file.ts';
import { formatVersion, snapshotFormat } from './version.ts';

const options: Options = {
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

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const [processId, ...args] = process.argv.slice(2);
  const line = parseCommandLine(args, options);
  const answer = answerOf(line, settings);
  if (answer !== null) {
    process.stdout.write(answer);
    return;
  }
  const idFault = instanceIdFault(line.value('id') ?? '');
  if (idFault !== null) throw new StartError(`Invalid instance ID: ${idFault}`);
  // Loaded here, since questions are asked often and the rest takes longer than their answers.
  const { serve } = await import('./serve.ts');
  await serve(line, settings, Number(processId));
}

/** What questions are answered with, instead of a start; null when the line is none. */
function answerOf(line: CommandLine, { version }: Settings): string | null {
  if (line.has('help')) return `Firecracker v${formatVersion(version)}\n\n(a stand-in, for tests)\n`;
  if (line.has('version')) return `Firecracker v${formatVersion(version)}\n\n`;
  const format = snapshotFormat(version);
  if (line.has('snapshot-version')) return `v${formatVersion(format)}\n`;
  const statePath = line.value('describe-snapshot');
  return statePath === null ? null : `${describeStateFile(statePath, format)}\n`;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Error: ${messageOf(error)}\n`);
  process.exit(exitCodeOf(error));
}

function messageOf(error: unknown): string {
  const isKnown = [ArgumentError, StartError, StateFileError, Fault].some((known) => error instanceof known);
  if (!(error instanceof Error)) return String(error);
  if (isKnown) return error.message;
  return 'code' in error ? osError(error) : (error.stack ?? error.message);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ArgumentError) return EXIT_ARGUMENTS;
  return error instanceof StartError ? error.exitCode : EXIT_ERROR;
}
