/** The soak of `npm run soak`, short: a real VM goes between two real hosts by a real S3 service, and each round is struck by another fault. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { runCampaign } from './soak/campaign.ts';
import { SmallDisk } from './soak/small-disk.ts';
import { StoreNetwork } from './soak/store-network.ts';
import type { FaultName } from './soak/plan.ts';

/** Drawn so that cuts and full disks are short, both stores are used, and the strikes are in a claim, a restore, a capture and a publish. */
const SEED = 293_690;
const TIMEOUT_MS = 540_000;

await test('a soak of a few rounds', { timeout: TIMEOUT_MS }, async (t) => {
  const noNetwork = await StoreNetwork.trouble();
  const noDisks = await SmallDisk.trouble();
  for (const trouble of [noNetwork, noDisks])
    if (trouble !== null) t.diagnostic(`${trouble} The soak goes without.`);
  const faults: readonly FaultName[] = [
    'kill-source-daemon',
    'kill-qemu',
    noNetwork === null ? 'cut-deaf' : 'kill-target-daemon',
    noDisks === null ? 'fill-disk' : 'kill-command',
  ];
  const report = await runCampaign({
    seed: SEED,
    rounds: faults.length,
    round: null,
    minutes: null,
    faults,
    hasNetwork: noNetwork === null,
    hasDisks: noDisks === null,
    jsonPath: null,
    say: (line) => t.diagnostic(line),
    keepAt: (name) => join(import.meta.dirname, '../.cache/soak', name),
    signal: t.signal,
  });
  assert.deepEqual(report.failed, null);
  assert.equal(report.rounds, faults.length);
  assert.deepEqual(Object.keys(report.faults).toSorted(), faults.toSorted(), 'each fault came up');
  assert.ok(report.moves > 0, 'the VM went to the other host');
});
