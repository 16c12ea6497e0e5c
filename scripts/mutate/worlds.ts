/** Simulated worlds as tests that mutants are tried with: those that one meets are many, and most are quick. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { createInPlaceCompute } from '../../src/env/node/compute.ts';
import { createSettle } from '../../src/env/node/settle.ts';
import { drawPlan } from '../../src/sim/plan.ts';
import type { WorkloadName } from '../../src/sim/plan.ts';
import { runPlan } from '../../src/sim/run-plan.ts';

const worlds: readonly (readonly [WorkloadName, number])[] = [
  ['people', 30],
  ['errand', 1],
  ['vanish', 5],
];
const engine = { compute: createInPlaceCompute(), settle: createSettle(), takeStray: (): unknown => null };

for (const [workload, seeds] of worlds) {
  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`${workload} ${seed}`, async () => {
      const { violation } = await runPlan(engine, drawPlan(seed, { faults: null, workload }));
      assert.equal(violation, null);
    });
  }
}
