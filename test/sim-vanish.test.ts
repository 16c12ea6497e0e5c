/** Simulated hosts that hold VMs by leases, vanish and come back: the workload `vanish`. Long campaigns are `kelpie sim --workload vanish`. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { drawPlan } from '../src/sim/plan.ts';
import { runPlan } from '../src/sim/run-plan.ts';
import { createSimEngine } from './support/sim-engine.ts';

const SEEDS = 80;

const engine = createSimEngine();

test(`what the store gives to one host executes nowhere else in ${SEEDS} worlds whose hosts vanish`, async () => {
  const done = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const plan = drawPlan(seed, { faults: null, workload: 'vanish' });
    const { violation, sometimes } = await runPlan(engine, plan);
    const replay = `bin/kelpie sim --workload vanish --seed ${seed} --log`;
    assert.equal(violation, null, `${violation?.oracle}: ${violation?.what}\n  replay: ${replay}`);
    for (const [name, count] of sometimes) done.set(name, (done.get(name) ?? 0) + count);
  }
  for (const name of ['store cut', 'done restoreFromStore', 'done reclaim', 'frozen', 'thawed'])
    assert.ok(done.has(name), `"${name}" never came about`);
});
