/** Simulated worlds as tests that mutants are tried with: those that one meets are many, and most are quick. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { drawPlan } from '../../src/sim/plan.ts';
import type { WorkloadName } from '../../src/sim/plan.ts';
import { runPlan } from '../../src/sim/run-plan.ts';
import { createSimEngine } from '../../test/support/sim-engine.ts';

const worlds: readonly (readonly [WorkloadName, number])[] = [
  ['people', 30],
  ['errand', 1],
  ['vanish', 5],
];
const engine = createSimEngine();

for (const [workload, seeds] of worlds) {
  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`${workload} ${seed}`, async () => {
      const { violation } = await runPlan(engine, drawPlan(seed, { faults: null, workload }));
      assert.equal(violation, null);
    });
  }
}
