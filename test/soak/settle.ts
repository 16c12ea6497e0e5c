/** Where the VM is once nothing is struck any more and the hosts have had time to settle what was cut. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { routes } from '../../src/daemon/api/routes.ts';
import { VM } from './guest.ts';
import { violated } from './violation.ts';
import type { SoakHost } from './soak-host.ts';

/** A host tries again at least once a minute, and a request may wait 30 s for a network that came back. */
const SETTLE_MS_MAX = 180_000;
const POLL_MS = 100;
/** What may stay as it is: the others wait for something. */
const restful = new Set(['running', 'departed', 'crashed', 'absent']);

/** What one host says of the VM. */
export interface Standing {
  readonly host: SoakHost;
  readonly state: string;
  readonly busy: string | null;
  readonly reason: string | null;
  /** What `kelpie doctor` finds of things that were cut. */
  readonly leftovers: readonly string[];
  readonly operations: readonly string[];
  readonly machines: number;
}

/** The commands that ask start the daemons that were killed. @throws Violation when it takes too long. */
export async function settled(hosts: readonly SoakHost[]): Promise<readonly Standing[]> {
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    const standings = await Promise.all(hosts.map(standing));
    if (standings.every(isSettled)) return standings;
    if (performance.now() > deadlineMs)
      violated('settles', `not within ${SETTLE_MS_MAX / 1000} s: ${standings.map(describe).join('; ')}`);
    await delay(POLL_MS);
  }
}

export function describe(one: Standing): string {
  const { host, state, busy, reason, leftovers, operations, machines } = one;
  const parts = [busy === null ? '' : ` (${busy})`, reason === null ? '' : ` (${reason})`];
  return `${host.name}: ${state}${parts.join('')}, ${machines} QEMU, ${operations.length} operations, ${leftovers.join(' ')}`;
}

async function standing(host: SoakHost): Promise<Standing> {
  const { vms } = await host.ask(routes.vmList);
  const vm = vms.find(({ name }) => name === VM) ?? { state: 'absent', busy: null, reason: null };
  return {
    host,
    state: vm.state,
    busy: vm.busy,
    reason: vm.reason,
    leftovers: vm.busy === null ? await leftoversOf(host) : [],
    operations: await readdir(join(host.cli.home, 'operations')),
    machines: (await host.runs()).machines.length,
  };
}

async function leftoversOf(host: SoakHost): Promise<readonly string[]> {
  const { findings } = await host.ask(routes.doctor);
  return findings
    .filter(({ check, level }) => (check === 'leftovers' || check === 'journal') && level !== 'ok')
    .map(({ text }) => text);
}

function isSettled({ state, busy, leftovers, operations, machines }: Standing): boolean {
  const isCalm = restful.has(state) && busy === null && leftovers.length === 0 && operations.length === 0;
  return isCalm && machines === (state === 'running' ? 1 : 0);
}
