/**
 * The simulated Firecracker: held to the cases that the stand-in and real ones are held to, and a VM on one that does each of its calls wrong, one at
 * a time.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { errand } from '../src/sim/errand.ts';
import { errandPlan } from '../src/sim/exhaustive.ts';
import type { FaultName } from '../src/sim/fault-names.ts';
import { plainHosts } from '../src/sim/firecracker-hosts.ts';
import type { FirecrackerHost } from '../src/sim/firecracker-hosts.ts';
import { runPlan } from '../src/sim/run-plan.ts';
import type { RunResult } from '../src/sim/run-plan.ts';
import { suiteCases } from './conformance-firecracker/cases.ts';
import { runCases } from './conformance-firecracker/run.ts';
import { createSimEngine } from './support/sim-engine.ts';
import { simulatedFirecracker } from './support/sim-firecracker.ts';

const versions = ['1.12.1', '1.16.1'];
/** Up, snapshot, pause, resume, restore. */
const COMMANDS = 5;
const CALLS_MAX = 60;
/** One whose first VM publishes a port, where it can, and whose daemons are root only where they must be. */
const PORT_SEED = 7;
/** One whose daemons are root. */
const ROOT_PORT_SEED = 6;

const engine = createSimEngine();

for (const version of versions) {
  test(`the simulated ${version} does what Firecracker is documented to do`, async () => {
    const simulated = await simulatedFirecracker(version);
    const { outside, options, truth } = simulated;
    try {
      const report = await runCases(options, version, suiteCases, () => undefined, outside);
      const failures = report.tests.filter(({ result }) => result === 'failed');
      assert.deepEqual(failures, []);
      assert.ok(report.passed > 49, `${report.passed} passed`);
      assert.equal(report.tests.find(({ name }) => name.startsWith('the jailer makes'))?.result, 'passed');
      assert.equal(truth.violation, null);
    } finally {
      simulated.close();
    }
  });
}

/** A life on 1.16.1, which has the deaf vsock. */
async function live(
  seed: number,
  commands: number,
  strikes: readonly string[],
  host: FirecrackerHost = plainHosts.a,
): Promise<RunResult> {
  const acts = errand.slice(0, commands);
  const firecrackers = { a: '1.16.1', b: '1.16.1' };
  const firecrackerHosts = { a: host, b: host };
  const plan = { ...errandPlan(null), seed, firecrackers, firecrackerHosts, acts, strikes };
  const result = await runPlan(engine, plan);
  const { violation } = result;
  assert.equal(violation, null, `${strikes.join(', ')}: ${violation?.oracle}: ${violation?.what}`);
  return result;
}

const wrongs: readonly FaultName[] = ['vmm_call_crash', 'vmm_answer_garbled', 'vmm_hang'];

for (const fault of wrongs) {
  test(`a VM is kept, or its end is told: ${fault} at each call of its life`, async () => {
    let call = 1;
    for (; call < CALLS_MAX; call += 1) {
      const { faults } = await live(call, COMMANDS, [`${fault} firecracker a #${call}`]);
      if (faults.get(fault)?.effective === 0) break;
    }
    assert.ok(call > 20 && call < CALLS_MAX, `${call} calls`);
  });
}

test('a VM that went on deaf, since no snapshot could be taken, is heard again when somebody asks it', async () => {
  const refusals = ['#1', '#2'].map((offer) => `snapshot_create_fail firecracker a ${offer}`);
  const { sometimes } = await live(1, 2, refusals);
  assert.equal(
    sometimes.get('done snapshot'),
    undefined,
    'the snapshot was refused, and the one that resets the device',
  );
  assert.ok((sometimes.get('firecracker: vsock is deaf') ?? 0) > 0);
  assert.equal(sometimes.get('converged running'), 1, 'it answers');
});

interface Surroundings {
  readonly seed: number;
  readonly host: FirecrackerHost;
  /** Each of them strikes. */
  readonly wheres: readonly string[];
  /** What a VM takes there with which nothing goes wrong. */
  readonly paths: readonly string[];
}

const surroundings: Readonly<Record<string, Surroundings>> = {
  'a caged VM with a network': {
    seed: PORT_SEED,
    host: { isCaged: true, network: 'bridge' },
    wheres: ['tap_refused nsenter a', 'storage_read_fail nsenter a stat', 'jailer_refused jailer a'],
    paths: ['tap: used', 'firecracker: caged'],
  },
  'a VM with a network without rights': {
    seed: PORT_SEED,
    host: { isCaged: false, network: 'user' },
    wheres: ['namespace_refused unshare a', 'slirp_refused slirp4netns a', 'slirp_crash slirp4netns a'],
    paths: ['user network: used', 'user network: port published'],
  },
  'root’s VM with a network that takes no rights': {
    seed: ROOT_PORT_SEED,
    host: { isCaged: false, network: 'user' },
    wheres: ['namespace_refused unshare a', 'slirp_refused unshare a', 'slirp_crash unshare a'],
    paths: ['user network: by root', 'user network: port published'],
  },
};

for (const [who, { seed, host, wheres, paths }] of Object.entries(surroundings))
  for (const where of wheres)
    test(`${who} leaves nothing on its host: ${where}, each time`, async () => {
      let offer = 1;
      for (; offer < CALLS_MAX; offer += 1) {
        const { faults, sometimes } = await live(seed, COMMANDS, [`${where} #${offer}`], host);
        if ([...faults.values()].some(({ effective }) => effective > 0)) continue;
        for (const path of paths) assert.ok((sometimes.get(path) ?? 0) > 0, path);
        break;
      }
      assert.ok(offer > 2 && offer < CALLS_MAX, `${offer} times`);
    });
