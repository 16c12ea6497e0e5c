/**
 * The simulation is a function of its seed: processes agree in every step, however many share the seeds, nothing of the real world is
 * asked, and the alarms that say so go off when something is.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createInPlaceCompute } from '../src/env/node/compute.ts';
import { drawPlan } from '../src/sim/plan.ts';
import { runPlan } from '../src/sim/run-plan.ts';
import '../src/sim/preload.ts';
import type { InPlaceCompute } from '../src/env/compute.ts';
import { kelpieSim } from './support/kelpie-sim.ts';
import { createSimEngine } from './support/sim-engine.ts';

const engine = createSimEngine();

async function hashOf(compute: InPlaceCompute): Promise<string> {
  let hashes = '';
  for (const seed of [1, 2, 3, 4]) hashes += (await runPlan({ ...engine, compute }, drawPlan(seed))).hash;
  return hashes;
}

/** Replaces what would tell of the real world by an alarm, while `act` runs. */
async function withPoison(act: () => Promise<void>): Promise<readonly string[]> {
  const alarms: string[] = [];
  const globals: readonly (readonly [object, string])[] = [
    [Math, 'random'],
    [Date, 'now'],
    [globalThis, 'setTimeout'],
    [globalThis, 'setInterval'],
    [globalThis, 'fetch'],
  ];
  const originals = globals.map(([owner, name]) => [owner, name, Reflect.get(owner, name)] as const);
  for (const [owner, name, original] of originals) {
    Reflect.set(owner, name, (...args: readonly unknown[]): unknown => {
      alarms.push(name);
      const value: unknown = Reflect.apply(original as () => unknown, owner, args);
      return value;
    });
  }
  try {
    await act();
  } finally {
    for (const [owner, name, original] of originals) Reflect.set(owner, name, original);
  }
  return alarms;
}

test('a campaign is the same on one worker and on three, and a seed the same first and last', async () => {
  const run = async (...args: readonly string[]): Promise<{ readonly hash: string }> => {
    const { stdout } = await kelpieSim([...args, '--json']);
    return JSON.parse(stdout) as { readonly hash: string };
  };
  const alone = await run('--seeds', '24', '--workers', '1');
  assert.match(alone.hash, /^[0-9a-f]{16}$/);
  assert.equal((await run('--seeds', '24', '--workers', '3')).hash, alone.hash);
  assert.notEqual((await run('--seeds', '24', '--seed', '2')).hash, alone.hash);
  // The first run of a fresh process, with stacks in its errors, and one of many in this process.
  const last = await runPlan(createSimEngine(), drawPlan(24));
  assert.equal((await run('--seed', '24')).hash, last.hash);
});

test('no real time, randomness or timer is asked', async () => {
  const compute = createInPlaceCompute();
  assert.deepEqual(await withPoison(async () => void (await hashOf(compute))), []);
});

test('planted leaks set both alarms off', async () => {
  const compute = createInPlaceCompute();
  const leaking: InPlaceCompute = {
    ...compute,
    crc32: (bytes, seed) => compute.crc32(bytes, seed),
    isZero: (bytes) => compute.isZero(bytes) && Math.random() < 0.5,
  };
  assert.ok((await withPoison(async () => void (await hashOf(leaking)))).includes('random'));
  const sound = await hashOf(compute);
  const other: InPlaceCompute = {
    ...compute,
    sha256: (bytes) => compute.sha256(new Uint8Array([...bytes, Date.now() % 251])),
  };
  assert.notEqual(await hashOf(other), sound);
});
