/** `counting.py` in a VM: what it says of itself, read over the guest agent. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { routes } from '../../src/daemon/api/routes.ts';
import { objectOf, smallVm } from '../support/cli-host.ts';
import { eventually } from '../support/eventually.ts';
import { violated } from './violation.ts';
import type { CliHost } from '../support/cli-host.ts';
import type { SoakHost } from './soak-host.ts';

export const VM = 'dev';
const program = join(import.meta.dirname, 'counting.py');
/** Emulated, on a machine that has other work. */
const GOES_ON_MS_MAX = 60_000;

export interface Counted {
  readonly pid: number;
  readonly count: number;
  /** Up to which count all of its memory was looked at. */
  readonly checked: number;
  readonly checksum: string;
}

export async function bootCounting(host: CliHost): Promise<Counted> {
  await host.must(['up', VM, ...smallVm]);
  await host.must(['cp', program, `${VM}:/root/counting.py`]);
  await host.must(['exec', '--detach', VM, '--', 'python3', '/root/counting.py']);
  await host.sh(VM, 'until test -s /run/counting.json; do sleep 0.05; done');
  return readCounted(host);
}

/** @throws Violation when its memory and its disk did not agree. */
export async function readCounted(host: CliHost, afterS = 0): Promise<Counted> {
  const script = `sleep ${afterS}; cat /run/counting.json`;
  const { pid, count, checked, checksum, broken } = objectOf(JSON.parse(await host.sh(VM, script)));
  if (broken !== null) violated('memory', `the guest on ${host.name} found: ${JSON.stringify(broken)}`);
  assert.ok(typeof checksum === 'string' && checksum.length === 64);
  return { pid: Number(pid), count: Number(count), checked: Number(checked), checksum };
}

/**
 * The same process goes on here, and has looked at all that it holds since.
 * @param before what it said last. @param leastCount what must not be lost.
 */
export async function requireGoesOn(host: CliHost, before: Counted, leastCount: number): Promise<Counted> {
  const first = await readCounted(host);
  if (first.count < leastCount)
    violated('lost-time', `it counted ${leastCount} before, and ${first.count} on ${host.name} now`);
  if (first.pid !== before.pid || first.checksum !== before.checksum)
    violated('memory', `another process: ${JSON.stringify(first)} instead of ${JSON.stringify(before)}`);
  let now = first;
  try {
    await eventually(
      async () => (now = await readCounted(host, 1)).checked > first.count,
      'it counts on and checks itself',
      () => JSON.stringify(now),
      GOES_ON_MS_MAX,
    );
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
    violated('stands-still', `${error.message} on ${host.name}`);
  }
  return now;
}

/** All that are neither the VM's last nor the one that it runs from: a host keeps each until somebody removes it. */
export async function removeOldSnapshots(host: SoakHost): Promise<void> {
  const { vms } = await host.ask(routes.vmList);
  if (!vms.some(({ name }) => name === VM)) return;
  const { snapshots, currentId } = await host.ask(routes.snapshotLog, { parameters: { vm: VM } });
  for (const { id } of snapshots.filter((one) => one.id !== currentId)) {
    const { status, stderr } = await host.cli.run(['snapshot', VM, '--rm', id]);
    if (status !== 0 && !stderr.includes('[snapshot_in_use]'))
      violated('refused', `removing a snapshot: ${stderr}`);
  }
}
