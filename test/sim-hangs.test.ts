/** A QEMU that answers too late: each of its answers during the life of a VM and its first snapshot, one at a time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { errand } from '../src/sim/errand.ts';
import { errandPlan } from '../src/sim/exhaustive.ts';
import { runPlan } from '../src/sim/run-plan.ts';
import type { RunResult } from '../src/sim/run-plan.ts';
import { createSimEngine } from './support/sim-engine.ts';

/** How long it hangs is a function of the seed. */
const SEEDS = [1, 2, 3];
const ANSWERS_MAX = 60;

const engine = createSimEngine();

async function hangAt(seed: number, answer: number): Promise<RunResult> {
  const acts = errand.slice(0, 2);
  const strikes = [`vmm_hang qemu-system-x86_64 a #${answer}`];
  return await runPlan(engine, { ...errandPlan(null), seed, acts, strikes });
}

test('a VM keeps its disk when any answer of QEMU about a snapshot comes too late', async () => {
  let hangs = 0;
  let snapshotsRefused = 0;
  for (const seed of SEEDS) {
    for (let answer = 1; answer < ANSWERS_MAX; answer += 1) {
      const { violation, faults, sometimes } = await hangAt(seed, answer);
      assert.equal(
        violation,
        null,
        `seed ${seed}, answer ${answer}: ${violation?.oracle}: ${violation?.what}`,
      );
      if (faults.get('vmm_hang')?.effective === 0) break;
      hangs += 1;
      if (sometimes.has('snapshot: vm_backend_failed')) snapshotsRefused += 1;
    }
  }
  assert.ok(
    hangs > 60 && snapshotsRefused > 10,
    `${hangs} hangs, ${snapshotsRefused} snapshots were given up`,
  );
});
