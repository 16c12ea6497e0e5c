/** A few seeds of the simulation with every change; the long campaigns are `kelpie sim`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { drawPlan } from './plan.ts';
import { runPlan } from './run-plan.ts';
import type { RunResult } from './run-plan.ts';
import { createSimEngine } from '../../test/support/sim-engine.ts';

/** Under ten seconds on a busy machine. */
const SEEDS = 60;

const engine = createSimEngine();

function run(seed: number): Promise<RunResult> {
  return runPlan(engine, drawPlan(seed));
}

test(`nothing runs twice and nothing is lost in ${SEEDS} worlds full of faults`, async () => {
  const done = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { violation, sometimes } = await run(seed);
    const replay = `bin/kelpie sim --seed ${seed} --log`;
    assert.equal(violation, null, `${violation?.oracle}: ${violation?.what}\n  replay: ${replay}`);
    for (const [name, count] of sometimes) done.set(name, (done.get(name) ?? 0) + count);
  }
  // A world in which nothing succeeds breaks no rule either.
  for (const name of [
    'done up',
    'done snapshot',
    'done teleport',
    'done restoreFromStore',
    'restored',
    'converged at rest',
  ]) {
    assert.ok(done.has(name), `"${name}" never came about`);
  }
});

test('a seed is the same world each time, and so is the plan that its run gives back', async () => {
  const [first, second] = [await run(7), await run(7)];
  assert.equal(first.hash, second.hash);
  assert.notEqual(first.hash, (await run(8)).hash);
  const again = await runPlan(engine, first.plan);
  assert.equal(again.hash, first.hash);
  assert.deepEqual(again.plan, first.plan);
});
