/** Moves of VMs between fake hosts, as their daemons do them for a client. */
import { planCopies } from '../../src/daemon/plan-copies.ts';
import { fork } from '../../src/teleport/fork.ts';
import { liveOrigin } from '../../src/teleport/fork-origin.ts';
import { TeleportIn } from '../../src/teleport/target.ts';
import { TeleportOut } from '../../src/teleport/source.ts';
import { quiet } from './fake-hosts.ts';
import type { Supervisor } from '../../src/daemon/supervisor.ts';
import type { Forked } from '../../src/teleport/fork.ts';
import type { TeleportResult } from '../../src/teleport/source.ts';
import type { ClaimResult } from '../../src/teleport/target.ts';
import type { ManagedVm } from '../../src/teleport/managed-vm.ts';

export async function teleportOut(
  supervisor: Supervisor,
  vm: ManagedVm,
  storeUrl: string,
): Promise<TeleportResult> {
  const request = { storeUrl, message: '', includeImage: true };
  return await supervisor.operate(vm.id, 'teleport', () =>
    new TeleportOut(supervisor.host, vm, request, quiet).run(),
  );
}

/** Claims the VM named `dev`. */
export async function claimIn(
  supervisor: Supervisor,
  storeUrl: string,
  leaseMs: number | null = null,
): Promise<ClaimResult> {
  const { host, registry } = supervisor;
  const guard = {
    whileLocked: <T>(vmId: string, act: () => Promise<T>): Promise<T> =>
      supervisor.operate(vmId, 'restore', act),
    admit: async () => undefined,
  };
  const request = { storeUrl, vm: 'dev', packageId: null, name: null, publish: null, leaseMs };
  return await new TeleportIn(host, registry, request, guard, quiet).run();
}

/** Copies of a VM that runs, as the daemon makes them. */
export async function forkHere(supervisor: Supervisor, vm: ManagedVm, count: number): Promise<Forked> {
  const { host, registry } = supervisor;
  const guard = {
    whileLocked: <T>(vmId: string, act: () => Promise<T>): Promise<T> =>
      supervisor.operate(vmId, 'fork', act),
  };
  const plans = planCopies(supervisor, vm.name, { count });
  const keys = plans.flatMap(({ id, name }) => [id, `name:${name}`]);
  return await supervisor.operate(keys, 'fork', () =>
    fork(host, registry, liveOrigin(host, registry, vm, guard), plans, quiet),
  );
}
