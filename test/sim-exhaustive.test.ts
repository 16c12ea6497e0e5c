/** Every kind of call that the daemon makes in a short workload: its process dies before it and after it, it fails, its answer is lost. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { kelpieSim } from './support/kelpie-sim.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

/** A minute or two on two cores that have nothing else to do; it waits for the suites with VMs. */
const TIMEOUT_MS = 900_000;

test('each call of a short workload can be cut in every way', { timeout: TIMEOUT_MS }, async (context) => {
  const cwd = await temporaryDirectory(context);
  const { exitCode, stdout, stderr } = await kelpieSim(['--exhaustive'], { cwd });
  assert.equal(exitCode, 0, stderr + stdout);
  const { hit, pairs } = /pairs hit: (?<hit>\d+) of (?<pairs>\d+) /.exec(stdout)?.groups ?? {};
  assert.ok(hit !== undefined && hit === pairs && Number(pairs) > 1000, stdout);
});
