/**
 * The suites of test/ in two lanes, on a machine of two cores:
 *
 *     VMs     one file at a time, since emulated VMs on two cores slow each other down; two, once the others are done
 *     others  as many files as there are cores, and only with what the VMs leave of them; all of it when the VMs are done
 *
 * What a file says is shown when it ends.
 */
import { availableParallelism } from 'node:os';
import { inParallel } from '../src/base/in-parallel.ts';
import { runNode } from './run-node.ts';
import type { Outcome } from './run-node.ts';

/** Suites whose tests wait for guests, by the clock of the world. */
const WITH_VMS = /^test\/(?:cli-|conformance|cross-|demo|firecracker|soak|vm-)/;
/** One test, not one file; a test that needs longer says so itself. The patient ones may wait for the others. */
const TEST_TIMEOUT_MS = 300_000;
const PATIENT_TEST_TIMEOUT_MS = 900_000;
const SLOWEST_SHOWN = 12;

export interface FileOutcome extends Outcome {
  readonly file: string;
  readonly seconds: number;
}

export async function runSuites(files: readonly string[]): Promise<readonly FileOutcome[]> {
  const vms = files.filter((file) => WITH_VMS.test(file));
  const others = files.filter((file) => !WITH_VMS.test(file));
  const outcomes: FileOutcome[] = [];
  const run = async (file: string, isPatient: boolean): Promise<void> => {
    const outcome = await runSuite(file, isPatient);
    outcomes.push(outcome);
    console.log(`\n── ${file} (${outcome.seconds.toFixed(1)} s)\n${withoutSums(outcome.output)}`);
  };
  const vmLane = async (): Promise<void> => {
    for (let file = vms.shift(); file !== undefined; file = vms.shift()) await run(file, false);
  };
  const othersDone = inParallel(others, availableParallelism(), async (file) => await run(file, true));
  await Promise.all([vmLane(), othersDone.then(vmLane)]);
  return outcomes;
}

/** The files that took longest, a line each. */
export function slowest(outcomes: readonly FileOutcome[]): string {
  return outcomes
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST_SHOWN)
    .map(({ file, seconds }) => `  ${seconds.toFixed(1).padStart(6)} s  ${file}`)
    .join('\n');
}

async function runSuite(file: string, isPatient: boolean): Promise<FileOutcome> {
  const startMs = performance.now();
  const timeoutMs = isPatient ? PATIENT_TEST_TIMEOUT_MS : TEST_TIMEOUT_MS;
  const args = testArguments([file], { filesAtOnce: 1, timeoutMs });
  const outcome = await runNode({ args, isShown: false, isPatient });
  return { ...outcome, file, seconds: (performance.now() - startMs) / 1000 };
}

export function testArguments(
  files: readonly string[],
  { filesAtOnce, timeoutMs }: { readonly filesAtOnce: number; readonly timeoutMs: number },
): readonly string[] {
  return [
    '--test',
    '--test-reporter=spec',
    '--import',
    new URL('test-file-limit.ts', import.meta.url).href,
    `--test-timeout=${timeoutMs}`,
    `--test-concurrency=${filesAtOnce}`,
    ...files,
  ];
}

/** They stand once, at the end of everything. */
function withoutSums(output: string): string {
  return output.replaceAll(/^ℹ [a-z_]+ [\d.]+\n/gm, '').trim();
}
