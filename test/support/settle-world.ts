/**
 * A host with a VM that runs and a journal that a test writes itself, and stores whose records lie in memory: for what settles operations that were cut. Files, records,
 * snapshots and leases are the real ones; the VM is fake, the processes of fuses are not started, and whoever waits to try again waits for nothing.
 */
import { mkdir } from 'node:fs/promises';
import { defined } from '../../src/base/assert.ts';
import { KelpieError } from '../../src/base/errors.ts';
import { LocalSnapshots } from '../../src/snapshot/local-snapshots.ts';
import { openStore } from '../../src/store/open-store.ts';
import { captureSnapshot } from '../../src/teleport/capture.ts';
import { HostPlaces } from '../../src/teleport/host-places.ts';
import { Journal } from '../../src/teleport/journal.ts';
import { Leases } from '../../src/teleport/leases.ts';
import { newOperation } from '../../src/teleport/new-operation.ts';
import { VmRegistry } from '../../src/teleport/vm-registry.ts';
import { VmFactory } from '../../src/vm/factory.ts';
import { FakeHosts } from './fake-hosts.ts';
import { fakeDiskImages } from './fake-disk-images.ts';
import { FakeVmBackend } from './fake-vm-backend.ts';
import { RecordShelf, sampleClock } from './record-shelf.ts';
import type { Env } from '../../src/env/env.ts';
import type { Processes } from '../../src/env/processes.ts';
import type { OwnershipRecord, OwnershipState } from '../../src/store/ownership-records.ts';
import type { ManagedVm } from '../../src/teleport/managed-vm.ts';
import type { Operation } from '../../src/teleport/operations.ts';
import type { TeleportHost } from '../../src/teleport/teleport-host.ts';
import type { FakeMachine } from './fake-machines.ts';

export const storeUrl = 'memory:here';
export const otherStoreUrl = 'memory:other';
export const packageId: string = 'cd'.repeat(32);
export const olderPackageId: string = 'ef'.repeat(32);
/** Of the host that the tests are about. */
export const hostId = 'host-a';

export class SettleWorld {
  readonly hosts: FakeHosts;
  readonly host: TeleportHost;
  readonly registry: VmRegistry;
  /** Runs at the beginning of each act of a VM; what it throws, the act does. */
  onAct: (act: string) => Promise<void> = async () => undefined;
  /** Of the two stores; one that is null does not answer. */
  here: RecordShelf | null = new RecordShelf();
  other: RecordShelf | null = new RecordShelf();
  readonly held: Operation[] = [];
  /** Events that were logged as errors. */
  readonly errors: unknown[] = [];
  /** VMs that a store gave to another, as leases found. */
  readonly lost: string[] = [];
  #vm: ManagedVm | null = null;

  private constructor(hosts: FakeHosts) {
    this.hosts = hosts;
    const { files } = hosts.env;
    // Nobody writes to a fake VM's disk, and this host has one user: clones and locks would be processes.
    const clone: Env['files']['clone'] = async (source, target) => await files.link(source, target);
    const locked = new Set<string>();
    const tryLock: Env['files']['tryLock'] = async (path) => {
      if (locked.has(path)) return null;
      locked.add(path);
      return { release: async () => void locked.delete(path) };
    };
    const env: Env = { ...hosts.env, files: { ...files, clone, tryLock }, processes: this.#processes() };
    const places = new HostPlaces(hosts.home('a'));
    const identity = { id: hostId, name: 'a' };
    const log: TeleportHost['log'] = {
      info: () => undefined,
      error: ({ event }) => void this.errors.push(event),
    };
    const open: TeleportHost['openStore'] = async (url) => await this.#open(url);
    const backends = [
      new FakeVmBackend(env, hosts.machines, { onAct: async (act) => await this.onAct(act) }),
    ];
    this.host = {
      env: { ...env, clock: sampleClock() },
      places,
      identity,
      facts: { architecture: 'x86_64', kernel: 'Linux', cpu: null },
      journal: new Journal(env, places),
      snapshots: new LocalSnapshots(env, places.home),
      disks: fakeDiskImages,
      log,
      factory: new VmFactory(backends),
      backends,
      openStore: open,
      tellStore: () => undefined,
      leases: new Leases(
        { env, places, identity, log, openStore: open },
        {
          whileIdle: async (_vm, act) => {
            await act();
            return true;
          },
          onLost: ({ id }) => void this.lost.push(id),
        },
      ),
      hold: (operation) => void this.held.push(operation),
      later: () => undefined,
    };
    this.registry = new VmRegistry(this.host);
  }

  static async with(use: (world: SettleWorld) => Promise<void>): Promise<void> {
    const hosts = await FakeHosts.create();
    const world = new SettleWorld(hosts);
    try {
      const { places } = world.host;
      for (const directory of [
        ...[places.vmsDirectory, places.imageDirectory, places.blobDirectory],
        ...[places.runsDirectory, places.operationsDirectory],
      ])
        await mkdir(directory, { recursive: true });
      world.#vm = await hosts.bringUp(world, 'dev', world.host.env);
      await use(world);
    } finally {
      world.host.leases.end();
      await hosts.close();
    }
  }

  /** The VM that was brought up. */
  get vm(): ManagedVm {
    return defined(this.#vm, 'the VM');
  }

  get machines(): readonly FakeMachine[] {
    return this.hosts.machines.ofVm(this.vm.id);
  }

  /** What an operation on the VM begins with. */
  get entry(): ReturnType<typeof newOperation> {
    return newOperation(this.host, this.vm);
  }

  /** The VM pauses with a snapshot taken of it, as on its way out. */
  async pauseWithSnapshot(): Promise<string> {
    const snapshotId = this.host.env.random.uuid();
    const { signal } = new AbortController();
    const request = { snapshotId, kind: 'teleport', message: '', resume: false, signal } as const;
    await captureSnapshot(this.host, this.vm, request);
    return snapshotId;
  }

  /** The machine ends, and this process sees it. */
  kill(): void {
    for (const { pid } of this.machines) this.hosts.machines.kill(pid);
  }

  recordOf(state: OwnershipState, epoch: number): OwnershipRecord {
    const { id: vmId, name: vmName } = this.vm;
    return { ...state, vmId, vmName, epoch, revision: 7, changedAtUnixMs: 0, hostName: 'beta' };
  }

  /** This is what the store says of the VM, and all that it knows. */
  put(state: OwnershipState, epoch: number): RecordShelf {
    this.here = new RecordShelf([this.recordOf(state, epoch)]);
    return this.here;
  }

  async snapshots(): Promise<readonly string[]> {
    return (await this.host.snapshots.list(this.vm.id)).map(({ id }) => id);
  }

  async entries(): Promise<readonly Operation[]> {
    return (await this.host.journal.readAll()).entries;
  }

  /** What a daemon finds that starts now. */
  async reload(): Promise<VmRegistry> {
    const registry = new VmRegistry(this.host);
    await registry.load();
    return registry;
  }

  async #open(url: string): ReturnType<TeleportHost['openStore']> {
    const shelf = url === otherStoreUrl ? this.other : this.here;
    if (shelf === null) throw new KelpieError('store_unavailable', `${url} does not answer.`);
    const store = await openStore(this.hosts.env, this.hosts.storeUrl, {
      home: this.host.places.home,
      hostArchitecture: 'x86_64',
      hostName: 'a',
    });
    return { ...store, ownership: shelf };
  }

  #processes(): Processes {
    const spawn: Processes['spawn'] = async () => ({
      identity: { pid: 1, startedAt: 'fuse' },
      stdout: nothing(),
      stderr: nothing(),
      stdin: null,
      wait: async () => ({ code: 0 }),
      kill: () => undefined,
    });
    return {
      ...this.hosts.env.processes,
      spawn,
      isAlive: async ({ pid }) => this.hosts.machines.find(pid) !== undefined,
      list: async () => [],
    };
  }
}

async function* nothing(): AsyncGenerator<never> {}
