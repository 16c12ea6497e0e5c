/** `npm run conformance:firecracker`: whether a Firecracker does what its documentation says, as far as Kelpie stands on it. */
import { writeFile } from 'node:fs/promises';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { versionOf } from './binary.ts';
import { suiteCases } from './cases.ts';
import { runCycles } from './cycles.ts';
import { readOptions, usage } from './options.ts';
import type { SuiteOptions } from './options.ts';
import { runCases } from './run.ts';
import type { CaseResult } from './run.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 64;
const EXIT_SIGNAL = 130;

function printResult({ name, result, ms, reason }: CaseResult): void {
  const why = reason === '' ? '' : `\n${reason.replaceAll(/^/gm, '          ')}`;
  console.log(`${result.padEnd(8)} ${String(ms).padStart(6)} ms  ${name}${why}`);
}

async function main(options: SuiteOptions): Promise<boolean> {
  const version = await versionOf(createNodeEnv(), options.binary);
  console.log(`Firecracker ${version}: ${options.binary}`);
  if (options.cycles !== null) {
    await runCycles(options, version, options.cycles);
    return true;
  }
  const report = await runCases(options, version, suiteCases, printResult);
  console.log(`${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped`);
  if (options.jsonPath !== null) await writeFile(options.jsonPath, `${JSON.stringify(report, null, 2)}\n`);
  return report.failed === 0;
}

// An end by a signal would leave what is under test behind; an exit does not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT_SIGNAL));

/** One sentence for people, whatever went wrong. */
function complain(error: unknown, hint: string, exitCode: number): void {
  console.error(`${error instanceof Error ? error.message : String(error)}${hint}`);
  process.exitCode = exitCode;
}

let options: SuiteOptions | null = null;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  complain(error, `\n\n${usage}`, EXIT_USAGE);
}
try {
  if (options !== null && !(await main(options))) process.exitCode = EXIT_FAILED;
} catch (error) {
  complain(error, '', EXIT_FAILED);
}
