/**
 * Teleports of a real VM between two real hosts, with real faults at moments drawn from a seed.
 *
 *     npm run soak -- [--rounds N] [--seed S] [--minutes M] [--faults LIST] [--json FILE]     (200 rounds, a seed of its own)
 *     npm run soak -- --seed S --round N                                                       one round of a run again
 *
 * Needs root, for network namespaces and small disks; `--no-network` and `--no-disk` go without. Exit status 1 when a rule was broken.
 */
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KelpieError } from '../../src/base/errors.ts';
import { runCampaign } from './campaign.ts';
import { readOptions } from './options.ts';
import { describePlan } from './plan.ts';
import { SmallDisk } from './small-disk.ts';
import { StoreNetwork } from './store-network.ts';
import type { CampaignReport } from './campaign.ts';
import type { SoakOptions } from './options.ts';

const SEEDS = 2 ** 31;
const kept = join(import.meta.dirname, '../../.cache/soak');

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** @throws KelpieError when this machine does not allow what was not switched off. */
async function requireAllowed({ hasNetwork, hasDisks }: SoakOptions): Promise<void> {
  const network = hasNetwork ? await StoreNetwork.trouble() : null;
  if (network !== null)
    throw new KelpieError('permission_denied', `${network} Run as root, or with --no-network.`);
  const disks = hasDisks ? await SmallDisk.trouble() : null;
  if (disks !== null) throw new KelpieError('permission_denied', `${disks} Run as root, or with --no-disk.`);
}

function tell({ seed, rounds, moves, seconds, faults, outcomes, failed }: CampaignReport): void {
  say(`${rounds} rounds in ${seconds} s, ${moves} moves, seed ${seed}`);
  for (const [name, { planned, struck }] of Object.entries(faults)) say(`  ${name}: ${struck} of ${planned}`);
  for (const [name, count] of Object.entries(outcomes)) say(`  ${name}: ${count}`);
  if (failed === null) return;
  say(`\nround ${failed.round} of seed ${seed} broke "${failed.oracle}": ${failed.what}`);
  say(`  ${describePlan(failed.plan)}`);
  say(`  again: ${failed.command}`);
  say(`  its homes: ${failed.homes}`);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), () => randomInt(1, SEEDS));
  await requireAllowed(options);
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  say(`seed ${options.seed}`);
  const keepAt = (name: string): string => join(kept, name);
  const report = await runCampaign({ ...options, say, keepAt, signal: interrupted.signal });
  tell(report);
  if (options.jsonPath !== null) await writeFile(options.jsonPath, `${JSON.stringify(report, null, 2)}\n`);
  return report.failed === null && !interrupted.signal.aborted ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof KelpieError)) throw error;
  process.stderr.write(`soak: ${error.message}\n`);
  process.exitCode = 64;
}
