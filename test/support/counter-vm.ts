/** `examples/counter.py` in a VM: a process that shows whether it is still the same one, and whether it goes on. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { objectOf, smallVm } from './cli-host.ts';
import type { CliHost } from './cli-host.ts';

const program = join(import.meta.dirname, '../../examples/counter.py');
const MEGABYTES = '4';
const CLOCK_TOLERANCE_MS = 50;

export interface CounterReport {
  readonly pid: number;
  readonly counter: number;
  readonly checksum: string;
}

/** Boots a VM named `dev` with the program in it. */
export async function bootCounter(host: CliHost): Promise<CounterReport> {
  await host.must(['up', 'dev', ...smallVm]);
  await host.must(['cp', program, 'dev:/root/counter.py']);
  await host.must(['exec', '--detach', 'dev', '--', 'python3', '/root/counter.py', MEGABYTES]);
  await host.sh('dev', 'until test -s /run/counter.json; do sleep 0.05; done');
  return readCounter(host);
}

/** What the program says of itself; its open file, its connection and its memory must work. */
export async function readCounter(host: CliHost): Promise<CounterReport> {
  const report = objectOf(JSON.parse(await host.sh('dev', 'cat /run/counter.json')));
  const { pid, counter, connection, openFile, memory, checksum } = report;
  assert.deepEqual({ connection, openFile, memory }, { connection: true, openFile: true, memory: true });
  return { pid: Number(pid), counter: Number(counter), checksum: String(checksum) };
}

/** The same process runs on this host and has gone on since `before`. */
export async function assertGoesOn(host: CliHost, before: CounterReport): Promise<CounterReport> {
  let now = await readCounter(host);
  const deadlineMs = 10_000;
  await eventually(
    async () => (now = await readCounter(host)).counter > before.counter,
    'the counter goes on',
    () => `${before.counter} → ${now.counter}`,
    deadlineMs,
  );
  assert.deepEqual([now.pid, now.checksum], [before.pid, before.checksum]);
  assert.equal(await host.sh('dev', 'cat /root/counter-disk.txt'), 'written before the move');
  return now;
}

/** The guest's clock is between this machine's before and after the question. */
export async function assertClock(host: CliHost): Promise<void> {
  const earliest = Date.now() - CLOCK_TOLERANCE_MS;
  const guest = Number(await host.sh('dev', 'date +%s%3N'));
  assert.ok(
    guest >= earliest && guest <= Date.now() + CLOCK_TOLERANCE_MS,
    `the clock is off: ${guest - earliest}`,
  );
}
