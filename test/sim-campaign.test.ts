/** Thousands of worlds: no rule is broken in any, each fault hits somebody somewhere, and each path is taken. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { kelpieSim } from './support/kelpie-sim.ts';

const SEEDS = 3000;
/** A minute or two on two cores that have nothing else to do; it waits for the suites with VMs. */
const TIMEOUT_MS = 900_000;

test(`${SEEDS} seeds break no rule and meet every fault`, { timeout: TIMEOUT_MS }, async () => {
  const { exitCode, stdout, stderr } = await kelpieSim([
    '--seeds',
    String(SEEDS),
    '--require',
    'faults,sometimes',
  ]);
  assert.equal(exitCode, 0, stderr + stdout);
});
