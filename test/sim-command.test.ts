/** `kelpie sim` as people and CI use it: what it prints and writes, how it ends, and how it refuses. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { kelpieSim } from './support/kelpie-sim.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

interface Document {
  readonly seeds: number;
  readonly failed: readonly unknown[];
  readonly seedsPerSecond: number;
  readonly simulatedSeconds: number;
  readonly faults: Readonly<Record<string, { offered: number; injected: number; effective: number }>>;
  readonly sometimes: Readonly<Record<string, number>>;
  readonly hash: string;
}

test('a campaign is told in words and as a document', async (context) => {
  const file = join(await temporaryDirectory(context), 'out.json');
  const { exitCode, stdout, stderr } = await kelpieSim([
    '--seeds',
    '12',
    '--json',
    file,
    '--require',
    'done up,restored',
  ]);
  assert.equal(exitCode, 0, stdout + stderr);
  assert.match(stdout, /^12 seeds, 0 failed, [\d.]+ seeds\/s, .* simulated, faults with effect \d+\/\d+/);
  const document = JSON.parse(await readFile(file, 'utf8')) as Document;
  assert.deepEqual([document.seeds, document.failed], [12, []]);
  assert.ok(document.seedsPerSecond > 0 && document.simulatedSeconds > 0);
  assert.ok((document.sometimes['done up'] ?? 0) > 0);
  assert.deepEqual(Object.keys(document.faults['daemon_crash'] ?? {}), ['offered', 'injected', 'effective']);
  assert.match(document.hash, /^[0-9a-f]{16}$/);
});

test('coverage that is not reached fails a campaign without a failed seed', async () => {
  const { exitCode, stdout } = await kelpieSim([
    '--seeds',
    '4',
    '--faults',
    'none',
    '--require',
    'daemon_crash,done up',
  ]);
  assert.equal(exitCode, 1);
  assert.match(stdout, /not reached: daemon_crash$/m);
});

test('DST_SEED says where to begin', async () => {
  const hashes = await Promise.all(
    [
      ['--seeds', '2', '--seed', '31', '--json'],
      ['--seeds', '2', '--json'],
    ].map(async (args) => {
      const { stdout } = await kelpieSim(args, { environment: { DST_SEED: '31' } });
      return (JSON.parse(stdout) as Document).hash;
    }),
  );
  assert.equal(hashes[0], hashes[1]);
});

const refusals: readonly (readonly [readonly string[], RegExp])[] = [
  [['--faults', 'rain'], /there is no fault "rain"; there are storage_write_fail/],
  [
    ['--workload', 'party'],
    /--workload must be one of people, crowd, errand, vanish, firecracker, rush, not "party"/,
  ],
  [['--require', 'luck'], /"luck" is no fault and no path/],
  [['--seeds', '0'], /--seeds must be at least 1/],
  [['--seeds', 'many'], /--seeds must be a whole number, not "many"/],
  [['--workers', '0'], /--workers must be between 1 and 256, not 0/],
  [['explain', '7'], /actions shrink and trace, not "explain"/],
  [['trace', '7'], /say where the page goes: --html FILE/],
  [['shrink'], /say which seed/],
];

test('wrong calls are refused in one sentence', async (context) => {
  const cwd = await temporaryDirectory(context);
  for (const [args, sentence] of refusals) {
    const { exitCode, stdout, stderr } = await kelpieSim(args, { cwd });
    assert.equal(exitCode, 64, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.match(stderr, sentence);
    assert.match(stderr, /\[usage\]\n$/);
  }
});

test('a seed that does not fail cannot be shrunk', async (context) => {
  const cwd = await temporaryDirectory(context);
  const { exitCode, stderr } = await kelpieSim(['shrink', '1', '--faults', 'none'], { cwd });
  assert.equal(exitCode, 64);
  assert.match(stderr, /seed 1 does not fail: there is nothing to shrink/);
});
