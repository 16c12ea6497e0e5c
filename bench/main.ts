/**
 * Benchmarks by name.
 *
 *     npm run bench -- NAME [--runs N] [--json FILE]
 *
 * Each prints a table and, with `--json`, writes `{machine, rows}`. Exit status 0 when it came to its end: a missed target is
 * a verdict in the table, not a failure.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from './machine.ts';
import { formatRows } from './rows.ts';
import type { Row } from './rows.ts';

interface Benchmark {
  readonly summary: string;
  readonly load: () => Promise<(options: BenchmarkOptions) => Promise<readonly Row[]>>;
}

interface BenchmarkOptions {
  /** How often each figure is taken. */
  readonly runs: number;
}

const benchmarks: ReadonlyMap<string, Benchmark> = new Map([
  [
    'vm',
    {
      summary: 'snapshot and restore of a working VM, against QEMU’s own way',
      load: async () => (await import('./vm/benchmark.ts')).vmBenchmark,
    },
  ],
]);

const RUNS_MAX = 1000;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { json: { type: 'string' }, runs: { type: 'string', default: '20' } },
    allowPositionals: true,
  });
  const benchmark = benchmarks.get(positionals[0] ?? '');
  const runs = Number(values.runs);
  if (
    benchmark === undefined ||
    positionals.length !== 1 ||
    !Number.isInteger(runs) ||
    runs < 1 ||
    runs > RUNS_MAX
  ) {
    console.error(usage());
    return 64;
  }
  const run = await benchmark.load();
  const rows = await run({ runs });
  const machine = describeMachine();
  const { cpu, cores, memoryMib, platform, node, loadAverage } = machine;
  console.log(
    `\n${cores} × ${cpu}, ${memoryMib} MiB, ${platform}, Node ${node}, load average ${loadAverage}`,
  );
  console.log(`\n${formatRows(rows)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
  return 0;
}

function usage(): string {
  const names = [...benchmarks].map(([name, { summary }]) => `  ${name.padEnd(8)}${summary}`);
  return `npm run bench -- NAME [--runs 1…${RUNS_MAX}] [--json FILE]\n\n${names.join('\n')}`;
}

process.exitCode = await main(process.argv.slice(2));
