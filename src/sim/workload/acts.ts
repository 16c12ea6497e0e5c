/** The commands of a person, through the real client of the daemon. */
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { DaemonClient } from '../../cli/daemon-client.ts';
import { encodeExecFrame } from '../../daemon/api/exec-frames.ts';
import { routes } from '../../daemon/api/routes.ts';
import type { VmCreate } from '../../daemon/api/vms.ts';
import type { ActName } from '../plan.ts';
import { Prng } from '../prng.ts';
import { vmKeyOf } from '../world/guest.ts';
import type { Site, World } from '../world/world.ts';
import { createCheckpointActs } from './checkpoint-acts.ts';
import { createForkActs } from './fork-acts.ts';
import { createLifeActs } from './life-acts.ts';
import { quiet } from './quiet.ts';
import { named, until } from './request-parts.ts';
import { createTeleportActs } from './teleport-acts.ts';
import { noteMade } from './vm-model.ts';
import type { VmModel } from './vm-model.ts';

const LEASE_MS = 20_000;
/** How often a VM is held by a lease from its beginning. */
const LEASE_CHANCE = 0.1;
const LEASE_CHANCE_VANISHING = 0.6;
/** How often a VM publishes a port. */
const PORT_CHANCE = 0.5;
const PORT_FIRST = 8000;

export type Act = (vm: VmModel, isBold: boolean, signal: AbortSignal | undefined) => Promise<void>;

/** Drawn by its name alone: whoever asks for it again asks for the same. */
function isLeased({ seed, isVanishing }: World, { name }: VmModel): boolean {
  return Prng.named(seed, `lease of ${name}`).chance(isVanishing ? LEASE_CHANCE_VANISHING : LEASE_CHANCE);
}

/** What is made; boldly: not on what is chosen by itself. */
function wanted(
  world: World,
  site: Site,
  vm: VmModel,
  isBold: boolean,
): Partial<VmCreate> & Pick<VmCreate, 'name'> {
  const backend = isBold ? { backend: 'qemu' as const } : {};
  const lease = isLeased(world, vm) ? { lease: { storeUrl: world.storeUrl, durationMs: LEASE_MS } } : {};
  return { name: vm.name, memoryMib: 128, diskMib: 64, ...portOf(world, site, vm), ...backend, ...lease };
}

/** Where Firecracker can publish ports; each VM has its own, since two that are brought up at the end must not be in each other's way. */
function portOf({ seed }: World, { firecracker }: Site, { name }: VmModel): Partial<VmCreate> {
  if (firecracker.network !== 'user' || !Prng.named(seed, `port of ${name}`).chance(PORT_CHANCE)) return {};
  return { publish: [{ hostPort: PORT_FIRST + Number(name.replace('vm-', '')), guestPort: 80 }] };
}

/** @param vms of all people. */
export function createActs(
  world: World,
  site: Site,
  daemon: DaemonClient,
  vms: VmModel[],
): Readonly<Record<ActName, Act>> {
  return {
    up: async (vm, isBold, signal) => {
      const body = wanted(world, site, vm, isBold);
      const { vm: made } = await daemon.operate(routes.vmCreate, { body, ...until(signal) }, quiet);
      if (made.lease !== null) world.truth.mark('up with a lease');
      noteMade(world, site, vm, vmKeyOf(made.id));
    },
    snapshot: async (vm, _isBold, signal) => {
      const before = world.truth.countOf(vm.vmKey);
      const body = { message: 'm' };
      await daemon.operate(routes.snapshotCreate, { ...named(vm), body, ...until(signal) }, quiet);
      vm.floor = Math.max(vm.floor, before);
    },
    ...createTeleportActs(world, site, daemon),
    restoreFromStore: async (vm, isBold, signal) => {
      const body = { storeUrl: world.storeUrl, vm: vm.name, ...(isBold ? { leaseMs: LEASE_MS } : {}) };
      const { vm: restored } = await daemon.operate(
        routes.restoreFromStore,
        { body, ...until(signal) },
        quiet,
      );
      if (vm.vmKey !== null && vmKeyOf(restored.id) !== vm.vmKey)
        world.truth.violated('identity', `${vm.name} was asked for, and ${restored.name} came`);
      vm.place = site.name;
    },
    restoreLocal: async (vm, isBold, signal) => {
      const body = { replace: isBold };
      await daemon.operate(routes.restoreLocal, { ...named(vm), body, ...until(signal) }, quiet);
    },
    ...createCheckpointActs(world, site, daemon),
    count: async (vm) => void (await countOf(daemon, vm.name)),
    ...createLifeActs(world, daemon),
    reclaim: async (vm, _isBold, signal) => {
      // Whatever was not published is given up, also when the answer is lost.
      vm.floor = Math.min(vm.floor, vm.packageFloor);
      // Never by force: then a person answers for what runs.
      const body = { storeUrl: world.storeUrl, vm: vm.name, force: false };
      await daemon.operate(routes.reclaim, { body, ...until(signal) }, quiet);
      vm.place = null;
    },
    shutdown: async () => void (await daemon.call(routes.shutdown)),
    ...createForkActs(world, site, daemon, vms),
  };
}

/** Runs `count` in a VM. */
export async function countOf(daemon: DaemonClient, vm: string): Promise<number> {
  const open = { start: { argv: ['count'] } };
  async function* frames(): AsyncGenerator<Uint8Array> {
    yield encodeExecFrame('open', utf8(JSON.stringify(open)));
  }
  let text = '';
  for await (const frame of await daemon.attach(vm, frames())) {
    if (frame.kind === 'stdout') text += fromUtf8(frame.payload);
    if (frame.kind === 'error') throw new Error(fromUtf8(frame.payload));
  }
  return Number(text);
}
