/**
 * The main job on real input: a VM with a running program goes from one host to another and back.
 *
 *     npm run demo [-- --json FILE] [--memory MIB] [--root DIR]
 *
 * Two hosts are two state directories with a daemon each; the store is a folder. Everything is under `.cache/demo`, or DIR.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkClock, checkDiskFile, checkRefused, compareReports, readReport } from './demo/checks.ts';
import { DemoHost, numberAt, record } from './demo/kelpie.ts';
import { bytesTable, phasesOf, phaseTable } from './demo/tables.ts';
import type { Check, CounterReport } from './demo/checks.ts';
import type { Leg } from './demo/tables.ts';

const VM = 'demo';
const program = fileURLToPath(new URL('../examples/counter.py', import.meta.url));

const { values: options } = parseArgs({
  options: {
    json: { type: 'string' },
    memory: { type: 'string', default: '512' },
    root: { type: 'string', default: fileURLToPath(new URL('../.cache/demo', import.meta.url)) },
  },
});
const { root } = options;
const store = `${root}/store`;
const laptop = new DemoHost('laptop', `${root}/laptop`);
const cloud = new DemoHost('cloud', `${root}/cloud`);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function tidyUp(): Promise<void> {
  for (const host of [laptop, cloud]) await host.run(['rm', '--force', VM]);
  rmSync(store, { recursive: true, force: true });
  mkdirSync(store, { recursive: true });
}

async function ensureImage(): Promise<void> {
  const { images } = await laptop.json(['image', 'ls']);
  if (Array.isArray(images) && images.length > 0) return;
  say('· building the base image from distribution packages (once, about a minute)');
  await laptop.must(['image', 'build'], { showsProgress: true });
}

async function boot(): Promise<number> {
  say(`· laptop: booting a VM with ${options.memory} MiB`);
  const started = await laptop.json(['up', VM, '--memory', options.memory]);
  await laptop.must(['cp', program, `${VM}:/root/counter.py`]);
  await laptop.must(['exec', '--detach', VM, '--', 'python3', '/root/counter.py']);
  await until(
    async () => (await laptop.run(['exec', VM, '--', 'test', '-s', '/run/counter.json'])).status === 0,
  );
  return sum(record(started['timings'], 'timings'));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while (!(await condition()))
    if (performance.now() > deadlineMs) throw new Error('the counting program did not start within a minute');
}

function sum(timings: Readonly<Record<string, unknown>>): number {
  return Object.keys(timings).reduce((total, key) => total + numberAt(timings, key), 0);
}

/** One move, with everything that must hold after it. */
async function move(
  from: DemoHost,
  to: DemoHost,
  before: CounterReport,
): Promise<{ leg: Leg; after: CounterReport; checks: readonly Check[] }> {
  say(`· ${from.name}: teleporting it to the store`);
  const out = await from.json(['teleport', VM, '--to', store]);
  say(`· ${to.name}: restoring it`);
  const back = await to.json(['restore', VM, '--from', store]);
  const answerStartMs = performance.now();
  const after = await readReport(to, VM);
  const leg = {
    name: `${from.name} → ${to.name}`,
    out: record(out['timings'], 'timings'),
    in: record(back['timings'], 'timings'),
    bytes: record(out['bytes'], 'bytes'),
    downloadedBytes: numberAt(back, 'downloadedBytes'),
    firstAnswerMs: performance.now() - answerStartMs,
  };
  const checks = [
    ...compareReports(before, after),
    await checkDiskFile(to, VM),
    await checkClock(to, VM),
    await checkRefused(from, VM),
  ];
  for (const check of checks) say(`  ${check.ok ? '✓' : '✗'} ${check.what}: ${check.found}`);
  return { leg, after, checks };
}

async function main(): Promise<boolean> {
  mkdirSync(root, { recursive: true });
  await tidyUp();
  await ensureImage();
  const bootMs = await boot();
  const before = await readReport(laptop, VM);
  say(
    `  it counts: PID ${before.pid}, at ${before.counter}, with an open unlinked file and a TCP connection to itself`,
  );
  const there = await move(laptop, cloud, before);
  const again = await move(cloud, laptop, await readReport(cloud, VM));
  const ok = [...there.checks, ...again.checks].every((check) => check.ok);
  say(`\n${phaseTable(bootMs, [there.leg, again.leg])}\n\n${bytesTable([there.leg, again.leg])}\n`);
  if (options.json !== undefined)
    writeFileSync(
      options.json,
      `${JSON.stringify(summary(ok, bootMs, before, there.after, there.leg), null, 2)}\n`,
    );
  await tidyUp();
  say(ok ? 'All of it held.' : 'Something did not hold: see the lines with ✗.');
  return ok;
}

function summary(ok: boolean, bootMs: number, before: CounterReport, after: CounterReport, leg: Leg): object {
  return {
    ok,
    pidBefore: before.pid,
    pidAfter: after.pid,
    counterBefore: before.counter,
    counterAfter: after.counter,
    phases: phasesOf(bootMs, leg),
    bytes: { ...leg.bytes, downloaded: leg.downloadedBytes },
    details: { out: leg.out, in: leg.in },
  };
}

process.exitCode = await main().then(
  (ok) => (ok ? 0 : 1),
  async (error: unknown) => {
    say(`✗ ${error instanceof Error ? error.message : String(error)}`);
    await tidyUp();
    return 1;
  },
);
for (const host of [laptop, cloud]) await host.run(['daemon', 'stop']);
