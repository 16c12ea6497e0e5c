/** What must have survived a move, asked of the guest itself. */
import { numberAt, record } from './kelpie.ts';
import type { DemoHost } from './kelpie.ts';

/** What the counting program says of itself (examples/counter.py). */
export interface CounterReport {
  readonly pid: number;
  readonly counter: number;
  readonly connection: boolean;
  readonly openFile: boolean;
  readonly memory: boolean;
  readonly checksum: string;
  readonly monotonicMs: number;
  readonly unixMs: number;
}

export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly found: string;
}

const TICK_MS = 100;
/** Ticks that may differ because the report is read between two of them, or a busy host was late. */
const TICK_SLACK = 5;
export const CLOCK_TOLERANCE_MS = 50;

export async function readReport(host: DemoHost, vm: string): Promise<CounterReport> {
  const { stdout } = await host.must(['exec', vm, '--', 'cat', '/run/counter.json']);
  const report = record(JSON.parse(stdout), 'the report of the counting program');
  return {
    pid: numberAt(report, 'pid'),
    counter: numberAt(report, 'counter'),
    connection: report['connection'] === true,
    openFile: report['openFile'] === true,
    memory: report['memory'] === true,
    checksum: String(report['checksum']),
    monotonicMs: numberAt(report, 'monotonicMs'),
    unixMs: numberAt(report, 'unixMs'),
  };
}

/** Compares what the program said before and after. */
export function compareReports(before: CounterReport, after: CounterReport): readonly Check[] {
  const ticks = after.counter - before.counter;
  const ranMs = after.monotonicMs - before.monotonicMs;
  const atRestMs = after.unixMs - before.unixMs - ranMs;
  const missed = Math.round(ranMs / TICK_MS) - ticks;
  return [
    { what: 'same process', ok: after.pid === before.pid, found: `PID ${before.pid} → ${after.pid}` },
    {
      what: 'the counter went on, and missed only the time at rest',
      ok: ticks > 0 && Math.abs(missed) <= TICK_SLACK,
      found: `${before.counter} → ${after.counter}; at rest for ${(atRestMs / 1000).toFixed(1)} s`,
    },
    {
      what: 'memory is the same',
      ok: after.memory && after.checksum === before.checksum,
      found: `SHA-256 ${after.checksum.slice(0, 12)}…`,
    },
    {
      what: 'the open, unlinked file',
      ok: after.openFile,
      found: after.openFile ? 'still readable' : 'lost',
    },
    {
      what: 'the TCP connection to itself',
      ok: after.connection,
      found: after.connection ? 'still answers' : 'dead',
    },
  ];
}

export async function checkDiskFile(host: DemoHost, vm: string): Promise<Check> {
  const { stdout } = await host.must(['exec', vm, '--', 'cat', '/root/counter-disk.txt']);
  return {
    what: 'the file on disk',
    ok: stdout === 'written before the move\n',
    found: JSON.stringify(stdout.trim()),
  };
}

/** The guest's clock lies between the host's before and after the question, give or take the tolerance. */
export async function checkClock(host: DemoHost, vm: string): Promise<Check> {
  const earliestMs = Date.now();
  const { stdout } = await host.must(['exec', vm, '--', 'date', '+%s%3N']);
  const latestMs = Date.now();
  const guestMs = Number(stdout.trim());
  const offMs = Math.max(0, earliestMs - guestMs, guestMs - latestMs);
  return {
    what: `the clock is right (± ${CLOCK_TOLERANCE_MS} ms)`,
    ok: offMs <= CLOCK_TOLERANCE_MS,
    found: `at most ${offMs} ms outside the question's time`,
  };
}

/** The host that the VM left must refuse to run it, whatever it is asked. */
export async function checkRefused(host: DemoHost, vm: string): Promise<Check> {
  const attempts = [
    ['restore', vm],
    ['up', vm],
    ['exec', vm, '--', 'true'],
  ];
  const results = await Promise.all(attempts.map(async (args) => host.run(args)));
  const refused = results.filter(({ status }) => status !== 0).length;
  return {
    what: `${host.name} refuses to run it`,
    ok: refused === attempts.length,
    found: results[0]?.stderr.trim() ?? '',
  };
}
