/**
 * Benchmarks by name.
 *
 *     npm run bench -- NAME [--runs N] [--json FILE] [--input A B]
 *
 * Each prints a table and, with `--json`, writes `{machine, peers, rows}`. Exit status 0 when it came to its end: a missed target is
 * a verdict in the table, not a failure.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeMachine } from './machine.ts';
import { formatRows } from './rows.ts';
import type { BenchmarkOptions, RunBenchmark } from './benchmark.ts';

interface Benchmark {
  readonly summary: string;
  readonly takesInput: boolean;
  readonly load: () => Promise<RunBenchmark>;
}

const benchmarks: ReadonlyMap<string, Benchmark> = new Map([
  [
    'vm',
    {
      summary: 'snapshot and restore of a working VM, against QEMU’s own way',
      takesInput: false,
      load: async () => (await import('./vm/benchmark.ts')).vmBenchmark,
    },
  ],
  [
    'firecracker',
    {
      summary: 'our own share of pauses and restores with Firecracker, against its stand-in',
      takesInput: false,
      load: async () => (await import('./firecracker/benchmark.ts')).firecrackerBenchmark,
    },
  ],
  [
    'firecracker-cycles',
    {
      summary: 'starts and stops of VMs on Firecracker’s stand-in, and what they leave behind: nothing',
      takesInput: false,
      load: async () => (await import('./firecracker/cycles.ts')).firecrackerCycles,
    },
  ],
  [
    'cross-architecture',
    {
      summary: 'running VMs to a host of the other architecture and back, compared byte for byte',
      takesInput: false,
      load: async () => (await import('./cross-architecture/benchmark.ts')).crossArchitectureBenchmark,
    },
  ],
  [
    'guests',
    {
      summary: 'boot, command, snapshot and restore of x86_64 and arm64 guests',
      takesInput: false,
      load: async () => (await import('./guests/benchmark.ts')).guestsBenchmark,
    },
  ],
  [
    'checkpoint',
    {
      summary: 'checkpoint and restore of the example agent, against a plain boot',
      takesInput: false,
      load: async () => (await import('./checkpoint/benchmark.ts')).checkpointBenchmark,
    },
  ],
  [
    'store',
    {
      summary: 'publishing and restoring its memory, against zstd, restic, borg, casync and rclone',
      takesInput: true,
      load: async () => (await import('./store/benchmark.ts')).storeBenchmark,
    },
  ],
]);

const RUNS_MAX = 1000;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      input: { type: 'string' },
      json: { type: 'string' },
      runs: { type: 'string', default: '20' },
    },
    allowPositionals: true,
  });
  const [name = '', second, ...more] = positionals;
  const benchmark = benchmarks.get(name);
  const input = inputOf(values.input, second);
  const runs = Number(values.runs);
  if (
    benchmark === undefined ||
    more.length > 0 ||
    input === 'unpaired' ||
    (input !== null && !benchmark.takesInput) ||
    !Number.isInteger(runs) ||
    runs < 1 ||
    runs > RUNS_MAX
  ) {
    console.error(usage());
    return 64;
  }
  const run = await benchmark.load();
  const { rows, peers } = await run({ runs, input });
  const machine = describeMachine();
  const { cpu, cores, memoryMib, platform, node, loadAverage } = machine;
  console.log(
    `\n${cores} × ${cpu}, ${memoryMib} MiB, ${platform}, Node ${node}, load average ${loadAverage}`,
  );
  if (peers.length > 0) console.log(peers.join('; '));
  console.log(`\n${formatRows(rows)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, peers, rows }, null, 2)}\n`);
  return 0;
}

/** `--input A B`: the second word is a positional to the parser of options. */
function inputOf(
  first: string | undefined,
  second: string | undefined,
): BenchmarkOptions['input'] | 'unpaired' {
  if (first === undefined && second === undefined) return null;
  return first === undefined || second === undefined ? 'unpaired' : { a: first, b: second };
}

function usage(): string {
  const names = [...benchmarks].map(([name, { summary }]) => `  ${name.padEnd(20)}${summary}`);
  return `npm run bench -- NAME [--runs 1…${RUNS_MAX}] [--json FILE] [--input A B]\n\n${names.join('\n')}`;
}

process.exitCode = await main(process.argv.slice(2));
