/**
 * The simulation is a function of its seed: two processes agree in every step, nothing of the real world is asked, and the alarms that say so
 * go off when something is.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { createInPlaceCompute } from '../src/env/node/compute.ts';
import { createSettle } from '../src/env/node/settle.ts';
import { runSeed } from '../src/sim/run-seed.ts';
import type { InPlaceCompute } from '../src/env/compute.ts';

const run = promisify(execFile);
const script = join(import.meta.dirname, '../scripts/sim.ts');

const settle = createSettle();

async function hashOf(compute: InPlaceCompute): Promise<string> {
  let hashes = '';
  for (const seed of [1, 2, 3, 4]) hashes += (await runSeed({ seed, compute, settle })).hash;
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

test('two processes agree in every step', async () => {
  const args = [script, '--seeds', '10'];
  const outputs = await Promise.all([run(process.execPath, args), run(process.execPath, args)]);
  const [first, second] = outputs.map(({ stdout }) => /steps, hash ([0-9a-f]{16})/.exec(stdout)?.[1]);
  assert.ok(first !== undefined, outputs[0].stdout);
  assert.equal(first, second);
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
