/**
 * Everybody takes a turn in every run, and only one VM works at a time: a busy host slows all of them alike.
 *
 *   small, large    restore ──▶ kill ──▶ restore again ──▶ work ──▶ snapshot ──▶ kill
 *   reference       -incoming ──▶ work ──▶ stop, migrate, cont ──▶ work ──▶ live migrate
 *   traveller       restore --from STORE ──▶ work ──▶ teleport to the store, back on the other host
 */
import { record } from '../../scripts/demo/kelpie.ts';
import type { DemoHost } from '../../scripts/demo/kelpie.ts';
import { daemonPid, storeDirectory } from './homes.ts';
import { MeasuredVm, WORK_MS } from './measured-vm.ts';
import type { Restored, Snapshotted } from './measured-vm.ts';
import type { LiveMigration, ReferenceVm } from './reference-vm.ts';
import { ResidentMemory } from './resident-memory.ts';
import type { Ticks } from './ticks.ts';

const SMALL_MIB = 512;
const LARGE_MIB = 4096;

/** What one VM of ours did in one run. */
export interface Cycle {
  /** Of a snapshot whose memory was not laid out yet. */
  readonly first: Restored;
  /** Of the same snapshot again. */
  readonly again: Restored;
  readonly snapshot: Snapshotted;
}

/** What QEMU did in one run. */
export interface ReferenceCycle extends LiveMigration {
  readonly restoreMs: number;
  readonly pauseMs: number;
  readonly savedMb: number;
}

export interface Samples {
  readonly small: readonly Cycle[];
  readonly large: readonly Cycle[];
  readonly reference: readonly ReferenceCycle[];
  readonly fromStore: readonly Restored[];
  /** Of the large VM's daemon, while it works. */
  readonly residentMb: readonly number[];
  readonly residentPeakMb: number;
}

export interface MeasureRequest {
  readonly hosts: Readonly<Record<'small' | 'large' | 'far', DemoHost>>;
  readonly reference: ReferenceVm;
  readonly ticks: Ticks;
  readonly runs: number;
}

export async function measure({ hosts, reference, ticks, runs }: MeasureRequest): Promise<Samples> {
  const vms = { small: new MeasuredVm('small', ticks), large: new MeasuredVm('large', ticks) };
  const traveller = new MeasuredVm('traveller', ticks);
  console.log('· booting the VMs');
  // A host tries once whether guests run on its hardware, for up to 2 s, with the first VM that it sees.
  await hosts.far.run(['doctor']);
  await vms.small.bootAndKeep(hosts.small, SMALL_MIB);
  await vms.large.bootAndKeep(hosts.large, LARGE_MIB);
  await traveller.boot(hosts.small, SMALL_MIB);
  await teleport(hosts.small, traveller);
  await reference.boot(ticks);
  await work(ticks, 'reference');
  await reference.saveLive();

  const small: Cycle[] = [];
  const large: Cycle[] = [];
  const references: ReferenceCycle[] = [];
  const fromStore: Restored[] = [];
  const resident = new ResidentMemory(await daemonPid(hosts.large));
  for (let run = 0; run < runs; run += 1) {
    console.log(`· run ${run + 1} of ${runs}`);
    small.push(await cycle(hosts.small, vms.small));
    references.push(await referenceCycle(reference, ticks));
    resident.watch();
    large.push(await cycle(hosts.large, vms.large));
    if (run === runs - 1) await moveThroughStore(hosts.large, vms.large);
    resident.rest();
    const host = run % 2 === 0 ? hosts.far : hosts.small;
    fromStore.push(await traveller.restore(host, ['--from', storeDirectory]));
    await work(ticks, traveller.name);
    await teleport(host, traveller);
  }
  const { samplesMb: residentMb, peakMb: residentPeakMb } = resident;
  return { small, large, reference: references, fromStore, residentMb, residentPeakMb };
}

async function cycle(host: DemoHost, vm: MeasuredVm): Promise<Cycle> {
  const first = await vm.restore(host);
  await vm.kill(host);
  const again = await vm.restore(host);
  const snapshot = await vm.snapshot(host);
  await vm.kill(host);
  return { first, again, snapshot };
}

async function referenceCycle(vm: ReferenceVm, ticks: Ticks): Promise<ReferenceCycle> {
  const restoreMs = await vm.load();
  await work(ticks, 'reference');
  const paused = await vm.stopAndSave();
  await work(ticks, 'reference');
  return { restoreMs, ...paused, ...(await vm.saveLive()) };
}

async function work(ticks: Ticks, name: string): Promise<void> {
  ticks.begin(name);
  await ticks.worked(name, WORK_MS);
}

/**
 * Puts the VM to rest in the store. Packages that VMs were in before go: they are as large as the VMs. By force, since one that runs again would go back
 * to its own when its host is lost.
 */
async function teleport(host: DemoHost, vm: MeasuredVm): Promise<void> {
  const { packageId } = await host.json(['teleport', vm.name, '--to', storeDirectory]);
  const { packages } = await host.json(['package', 'ls', '--store', storeDirectory]);
  for (const found of Array.isArray(packages) ? packages : []) {
    const { id, isAtRest } = record(found, 'a package');
    if (id !== packageId && isAtRest !== true)
      await host.must(['package', 'rm', String(id), '--force', '--store', storeDirectory]);
  }
}

/** What a daemon has most to do with: a large VM goes to a store and comes back. */
async function moveThroughStore(host: DemoHost, vm: MeasuredVm): Promise<void> {
  await vm.restore(host);
  await teleport(host, vm);
  await vm.restore(host, ['--from', storeDirectory]);
  await vm.kill(host);
}
