/**
 * A fake VM backend for tests of what is above it: real files, real page maps, no VM. Around each change of a machine it makes a call to the
 * world (`clock.sleep(0)`), so that a crash harness can kill the daemon right before and right after.
 */
import assert from 'node:assert/strict';
import { KelpieError } from '../../src/base/errors.ts';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { createSynced } from '../../src/env/durable-files.ts';
import { diskLayerPath, pageFilePath } from '../../src/snapshot/local-snapshot.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';
import { PageRuns } from '../../src/snapshot/page-runs.ts';
import { illegal, transition } from '../../src/vm/state.ts';
import { fakeGuestAgent } from './fake-guest-agent.ts';
import type { Env } from '../../src/env/env.ts';
import type { GuestAgent } from '../../src/guest/guest-agent.ts';
import type { DiskLayer, MemoryImage } from '../../src/snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../../src/snapshot/metadata.ts';
import type {
  BackendProbe,
  CapturedSnapshot,
  RestoreRequest,
  RestoreTimings,
  SnapshotRequest,
  StartOptions,
  VmBackend,
  VmEvent,
  VmInstance,
  VmPlaces,
  VmRuntime,
} from '../../src/vm/instance.ts';
import type { VmState } from '../../src/vm/state.ts';
import type { FakeMachine, FakeMachines } from './fake-machines.ts';

const facts: MachineFacts = {
  backend: 'sim',
  backendVersion: '1.0',
  machineType: 'fake-1',
  cpuModel: 'fake',
  accelerator: 'none',
  deviceLayout: 1,
};

export interface FakeBackendOptions {
  /** What runs at each act's beginning, to fail or to wait. */
  readonly onAct?: (act: string, vmId: string) => Promise<void>;
  readonly probe?: Partial<BackendProbe>;
  /** An agent that does more than count, for every machine. */
  readonly agent?: () => Promise<GuestAgent>;
}

export class FakeVmBackend implements VmBackend {
  readonly name = 'sim';
  readonly machines: FakeMachines;
  readonly options: FakeBackendOptions;
  readonly env: Env;

  constructor(env: Env, machines: FakeMachines, options: FakeBackendOptions = {}) {
    this.env = env;
    this.machines = machines;
    this.options = options;
  }

  async probe(): Promise<BackendProbe> {
    return {
      usable: true,
      version: facts.backendVersion,
      findings: [],
      accelerator: 'none',
      architectures: ['x86_64'],
      guests: [
        {
          name: 'sim',
          architecture: 'x86_64',
          version: facts.backendVersion,
          accelerators: [],
          machineTypes: [facts.machineType],
          cpuModels: {},
          deviceLayouts: [facts.deviceLayout],
        },
      ],
      ...this.options.probe,
    };
  }

  async create(id: string, config: VmConfig, places: VmPlaces): Promise<VmInstance> {
    return new FakeVmInstance(this, id, config, places, null);
  }

  async adopt(id: string, config: VmConfig, places: VmPlaces, runtime: VmRuntime): Promise<VmInstance> {
    await this.env.clock.sleep(0);
    const machine = this.machines.find(runtime.process.pid);
    if (machine !== undefined && machine.state !== 'loaded')
      return new FakeVmInstance(this, id, config, places, machine);
    this.machines.killIn(places.runDirectory);
    throw new KelpieError('vm_crashed', `"${config.name}" ended while no daemon was running.`);
  }

  async removeOrphan(runDirectory: string): Promise<void> {
    await this.env.clock.sleep(0);
    this.machines.killIn(runDirectory);
    await this.env.clock.sleep(0);
  }
}

class FakeVmInstance implements VmInstance {
  readonly id: string;
  readonly config: VmConfig;
  readonly #backend: FakeVmBackend;
  readonly #places: VmPlaces;
  #state: VmState = 'created';
  #machine: FakeMachine | null = null;
  #memory: MemoryImage | null = null;
  #listener: (event: VmEvent) => void = () => undefined;

  constructor(
    backend: FakeVmBackend,
    id: string,
    config: VmConfig,
    places: VmPlaces,
    machine: FakeMachine | null,
  ) {
    this.id = id;
    this.config = config;
    this.#backend = backend;
    this.#places = places;
    if (machine !== null) this.#take(machine, machine.state === 'paused' ? 'paused' : 'running');
  }

  get state(): VmState {
    return this.#state;
  }

  get runtime(): VmRuntime | null {
    if (this.#machine === null) return null;
    const { pid, disk } = this.#machine;
    return { process: { pid, startedAt: 'fake' }, machine: facts, memory: this.#memory, disk, details: {} };
  }

  async start({ disk, onProgress }: StartOptions): Promise<void> {
    await this.#act('start');
    transition(this.config.name, this.#state, 'starting', 'start');
    onProgress?.({ phase: 'process' });
    const below = disk.at(-1);
    const layer = await this.#newLayer(
      below === undefined ? this.#places.image.dataTemplate : this.#layerPath(below),
    );
    const pages = new Map([
      [0, counterPage(0)],
      [7, new Uint8Array(PAGE_BYTES).fill(7)],
    ]);
    await this.#change(() =>
      this.#bringUp({ state: 'running', generation: 0, pages, disk: [...disk, layer] }),
    );
    onProgress?.({ phase: 'guest' });
    this.#setState('running', null);
  }

  async stop(): Promise<void> {
    await this.#act('stop');
    const machine = this.#require('stop');
    await this.#change(() => {
      this.#machine = null;
      this.#backend.machines.kill(machine.pid);
    });
    this.#setState('stopped', null);
  }

  async pause(): Promise<void> {
    await this.#act('pause');
    const machine = this.#require('pause');
    await this.#change(() => {
      machine.state = 'paused';
    });
    this.#setState('paused', null);
  }

  async resume(): Promise<void> {
    await this.#act('resume');
    const machine = this.#require('resume');
    await this.#change(() => {
      machine.state = 'running';
    });
    this.#setState('running', null);
  }

  async agent(): Promise<GuestAgent> {
    const machine = this.#require('exec');
    return (await this.#backend.options.agent?.()) ?? fakeGuestAgent(machine);
  }

  async snapshot({ directory, resume, signal }: SnapshotRequest): Promise<CapturedSnapshot> {
    const { env } = this.#backend;
    const machine = this.#require('snapshot');
    const wasRunning = machine.state === 'running';
    await this.#act('snapshot');
    const layer = await this.#newLayer(this.#layerPath(last(machine.disk)));
    const frozen = machine.disk;
    try {
      await this.#change(() => {
        machine.state = 'paused';
      });
      signal?.throwIfAborted();
      const memory = await this.#writeMemory(machine, directory);
      const state = utf8(
        JSON.stringify({ generation: machine.generation, pages: [...machine.pages.keys()] }),
      );
      await createSynced(env.files, `${directory}/device-state`, state);
      await this.#change(() => {
        machine.disk = [...frozen, layer];
      });
      this.#require('snapshot');
      this.#listener({ kind: 'runtime' });
      return {
        machine: facts,
        guest: { bootId: '00000000000000000000000000000000', generation: machine.generation },
        deviceStateBytes: state.byteLength,
        memory,
        disk: frozen,
        timings: {
          pauseMs: 1,
          deviceStateMs: 1,
          scanMs: 1,
          copyMs: 1,
          syncMs: 1,
          dirtyBytes: machine.pages.size * PAGE_BYTES,
        },
      };
    } finally {
      const isAlive = this.#machine !== null;
      if (isAlive && wasRunning && (resume || machine.disk === frozen)) await this.resume();
      else if (isAlive && wasRunning) this.#setState('paused', null);
    }
  }

  async restore(request: RestoreRequest): Promise<RestoreTimings> {
    await this.#act('restore');
    const { env } = this.#backend;
    transition(this.config.name, this.#state, 'starting', 'restore');
    const state = JSON.parse(fromUtf8(await env.files.readFile(request.deviceStatePath, MIB))) as {
      pages: number[];
    };
    const pages = await this.#readMemory(request.memory, state.pages);
    const layer = await this.#newLayer(this.#layerPath(last(request.disk)));
    this.#memory = request.memory;
    await this.#change(() =>
      this.#bringUp({
        state: 'loaded',
        generation: request.generation,
        names: request.names ?? null,
        pages,
        disk: [...request.disk, layer],
      }),
    );
    const machine = this.#require('restore', 'starting');
    try {
      await request.beforeResume?.();
      request.signal?.throwIfAborted();
      await this.#change(() => {
        machine.state = 'running';
      });
      await this.#act('repair');
    } catch (error) {
      this.#machine = null;
      this.#backend.machines.kill(machine.pid);
      this.#setState('stopped', null);
      throw error;
    }
    this.#setState('running', null);
    return { processMs: 1, loadMs: 1, resumeMs: 1, repairMs: 1, clockStepMs: 0 };
  }

  async console(): Promise<Uint8Array> {
    return utf8('fake console\n');
  }

  onEvent(listener: (event: VmEvent) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    this.#machine = null;
  }

  #bringUp(made: Pick<FakeMachine, 'state' | 'generation' | 'pages' | 'disk' | 'names'>): void {
    const { machines } = this.#backend;
    const others = machines.ofVm(this.id);
    assert.deepEqual(
      others.filter(({ state }) => state === 'running'),
      [],
      'a VM must not be brought up while it runs elsewhere',
    );
    this.#setState('starting', null);
    this.#take(
      machines.start({ vmId: this.id, runDirectory: this.#places.runDirectory, ...made }),
      'starting',
    );
    this.#listener({ kind: 'runtime' });
  }

  #take(machine: FakeMachine, state: VmState): void {
    this.#machine = machine;
    this.#state = state;
    this.#backend.machines.onDeath(machine.pid, () => {
      if (this.#machine !== machine) return;
      this.#machine = null;
      this.#setState('crashed', 'its machine ended');
    });
  }

  #require(act: string, ...also: readonly VmState[]): FakeMachine {
    if (this.#machine === null) {
      if (this.#state === 'crashed') throw new KelpieError('vm_crashed', `"${this.config.name}" crashed.`);
      throw illegal(this.config.name, this.#state, act);
    }
    assert.ok(['running', 'paused', ...also].includes(this.#state), `${act} in ${this.#state}`);
    return this.#machine;
  }

  #setState(state: VmState, reason: string | null): void {
    this.#state = state;
    this.#listener({ kind: 'state', state, reason });
  }

  async #act(name: string): Promise<void> {
    await this.#backend.options.onAct?.(name, this.id);
    await this.#backend.env.clock.sleep(0);
  }

  async #change(act: () => void): Promise<void> {
    await this.#backend.env.clock.sleep(0);
    act();
    await this.#backend.env.clock.sleep(0);
  }

  #layerPath(layer: DiskLayer): string {
    return diskLayerPath(this.#places.blobDirectory, layer);
  }

  async #newLayer(from: string): Promise<DiskLayer> {
    const { env } = this.#backend;
    const layer: DiskLayer = { id: env.random.uuid(), format: 'raw', sizeBytes: this.config.diskMib * MIB };
    await env.files.clone(from, this.#layerPath(layer));
    return layer;
  }

  async #writeMemory(machine: FakeMachine, directory: string): Promise<MemoryImage> {
    const { env } = this.#backend;
    const pageFile = env.random.uuid();
    const sorted = [...machine.pages].toSorted(([a], [b]) => a - b);
    const bytes = new Uint8Array(sorted.length * PAGE_BYTES);
    for (const [index, [, page]] of sorted.entries()) bytes.set(page, index * PAGE_BYTES);
    await createSynced(env.files, pageFilePath(this.#places.blobDirectory, pageFile), bytes);
    const runs = PageRuns.of(sorted.map(([firstPage]) => ({ firstPage, count: 1 })));
    const map = PageMap.empty((this.config.memoryMib * MIB) / PAGE_BYTES).overlay({
      pageFile,
      runs,
      zeroRuns: PageRuns.none,
    });
    const mapPath = `${directory}/memory.map`;
    await createSynced(env.files, mapPath, map.encode(env.compute));
    return { mapPath, pageFiles: map.pageFiles, mappable: null };
  }

  async #readMemory(memory: MemoryImage, pages: readonly number[]): Promise<Map<number, Uint8Array>> {
    assert.ok(memory.mappable !== null, 'a restore maps a whole memory');
    const file = await this.#backend.env.files.open(
      pageFilePath(this.#places.blobDirectory, memory.mappable),
      'r',
    );
    try {
      const read = new Map<number, Uint8Array>();
      for (const page of pages) {
        const bytes = new Uint8Array(PAGE_BYTES);
        assert.equal(await file.read(bytes, page * PAGE_BYTES), PAGE_BYTES);
        read.set(page, bytes);
      }
      return read;
    } finally {
      await file.close();
    }
  }
}

/** A page that says how far a guest has counted. */
export function counterPage(count: number): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES).fill(0xc0);
  new DataView(page.buffer).setUint32(0, count, true);
  return page;
}

function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  assert.ok(item !== undefined);
  return item;
}
