/**
 * The stand-in's program, started by `firecracker` beside it with that process's id before the arguments: reads the command line, and
 * answers it or serves the interface.
 */
import { readFileSync } from 'node:fs';
import {
  answerOf,
  ArgumentError,
  EXIT_ARGUMENTS,
  EXIT_ERROR,
  firecrackerOptions,
  instanceIdOf,
  parseCommandLine,
} from '../../src/sim/firecracker/command-line.ts';
import { Fault, osError } from '../../src/sim/firecracker/fault.ts';
import { StateFileError } from '../../src/sim/firecracker/state-file.ts';
import { readSettings } from './settings.ts';
import { StartError } from './start-error.ts';

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const [processId, ...args] = process.argv.slice(2);
  const line = parseCommandLine(args, firecrackerOptions);
  const answer = await answerOf(line, settings.version, async (path) => readFileSync(path));
  if (answer !== null) {
    process.stdout.write(answer);
    return;
  }
  const id = instanceIdOf(line);
  // Loaded here, since questions are asked often and the rest takes longer than their answers.
  const { serve } = await import('./serve.ts');
  await serve(line, id, settings, Number(processId));
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
