import type { Row } from './rows.ts';

export interface BenchmarkOptions {
  /** How often each figure is taken. */
  readonly runs: number;
  /** Two memory images to work on instead of its own, for those that take any. */
  readonly input: { readonly a: string; readonly b: string } | null;
}

export interface Findings {
  readonly rows: readonly Row[];
  /** Name and version of every program that ours was compared with. */
  readonly peers: readonly string[];
}

export type RunBenchmark = (options: BenchmarkOptions) => Promise<Findings>;
