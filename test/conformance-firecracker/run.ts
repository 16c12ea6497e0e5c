/** Runs tests one after the other, each in a world of its own. */
import { BaseSnapshot } from './base-snapshot.ts';
import { Skipped, World } from './case.ts';
import type { Case, Suite } from './case.ts';
import type { SuiteOptions } from './options.ts';
import { thisMachine } from './outside.ts';
import type { Outside } from './outside.ts';

/** The longest boots an emulated Linux on a busy machine. */
const CASE_TIMEOUT_MS = 180_000;

export interface CaseResult {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  /** Why it failed or was skipped; empty when it passed. */
  readonly reason: string;
}

/** What `--json` writes. */
export interface Report {
  readonly binary: string;
  readonly version: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly tests: readonly CaseResult[];
}

/** @param onResult called with each result as it comes. */
export async function runCases(
  options: SuiteOptions,
  version: string,
  cases: readonly Case[],
  onResult: (result: CaseResult) => void,
  outside: Outside = thisMachine(),
): Promise<Report> {
  const suite = openSuite(options, version, outside);
  const tests: CaseResult[] = [];
  try {
    for (const one of cases) {
      const result = await runCase(suite, one);
      tests.push(result);
      onResult(result);
    }
  } finally {
    await suite.base.close();
  }
  const count = (kind: CaseResult['result']): number => tests.filter(({ result }) => result === kind).length;
  return {
    binary: options.binary,
    version,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    tests,
  };
}

export function openSuite(options: SuiteOptions, version: string, outside: Outside = thisMachine()): Suite {
  const suite: Suite = {
    outside,
    options,
    version,
    base: new BaseSnapshot(async () => await World.open(suite)),
  };
  return suite;
}

async function runCase(suite: Suite, { name, run }: Case): Promise<CaseResult> {
  const startMs = performance.now();
  const took = (): number => Math.round(performance.now() - startMs);
  try {
    const world = await World.open(suite);
    try {
      await inTime(run(world));
    } finally {
      await world.close();
    }
    return { name, result: 'passed', ms: took(), reason: '' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const result = error instanceof Skipped ? 'skipped' : 'failed';
    return { name, result, ms: took(), reason };
  }
}

/** @throws Error when it takes longer than any test does that will ever end. */
async function inTime(work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = setTimeout(() => reject(new Error(`no end in ${CASE_TIMEOUT_MS / 1000} s`)), CASE_TIMEOUT_MS);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(late);
  }
}
