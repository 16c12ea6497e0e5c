/** A folder of VMs for a suite: makes them, keeps what a daemon would keep, and ends all of them. */
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { mkdtemp, readdir, rm, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../../src/env/env.ts';
import type { ProcessIdentity } from '../../src/env/processes.ts';
import type { GuestAgent } from '../../src/guest/guest-agent.ts';
import { pageFilePath } from '../../src/snapshot/local-snapshot.ts';
import { materializeMemory } from '../../src/snapshot/materialize.ts';
import { PAGE_MAP_BYTES_MAX } from '../../src/snapshot/page-map-codec.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';
import type { VmConfig } from '../../src/snapshot/metadata.ts';
import type {
  CapturedSnapshot,
  RestoreRequest,
  VmBackend,
  VmEvent,
  VmInstance,
  VmPlaces,
} from '../../src/vm/instance.ts';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { baseImage } from './base-image.ts';
import { exampleConfig } from './example-vm.ts';
import { execute, shell } from './guest-commands.ts';
import { isGone } from './host-processes.ts';

/** What is found out about the host's VMMs, which takes seconds where an accelerator is broken: once for all suites. */
const CACHE_DIRECTORY = join(import.meta.dirname, '../../.cache/test-home/cache');

/** How long a process may stay that ends by itself when its VM has. */
const LEFTOVER_TIMEOUT_MS = 2000;

/** A snapshot whose memory can be mapped, and where it is. */
export interface TakenSnapshot extends CapturedSnapshot {
  readonly directory: string;
}

export interface VmInWorld {
  readonly vm: VmInstance;
  readonly places: VmPlaces;
  readonly events: readonly VmEvent[];
}

export class VmWorld {
  readonly env: Env;
  readonly backend: VmBackend;
  readonly directory: string;
  readonly config: VmConfig;
  readonly #image: VmPlaces['image'];
  readonly #vms = new Set<VmInWorld>();
  readonly #runDirectories: string[] = [];
  #next = 0;

  private constructor(
    env: Env,
    backend: VmBackend,
    directory: string,
    config: VmConfig,
    image: VmPlaces['image'],
  ) {
    this.env = env;
    this.backend = backend;
    this.directory = directory;
    this.config = config;
    this.#image = image;
  }

  static async create(
    env: Env,
    createBackend: (env: Env, cacheDirectory: string) => VmBackend,
    changes: Partial<VmConfig> = {},
  ): Promise<VmWorld> {
    const { files, info } = await baseImage(env, changes.architecture ?? 'x86_64');
    const directory = await mkdtemp(join(tmpdir(), 'kelpie-vm-'));
    await mkdir(join(directory, 'blobs'));
    await mkdir(CACHE_DIRECTORY, { recursive: true });
    const image = { name: info.name, version: info.version, digest: info.digest };
    const config = { ...exampleConfig, image, ...changes };
    return new VmWorld(env, createBackend(env, CACHE_DIRECTORY), directory, config, files);
  }

  get blobDirectory(): string {
    return join(this.directory, 'blobs');
  }

  /** A VM that has not run. @param changes other files than the image's, for starts that must fail. */
  async make(changes: Partial<VmConfig> = {}, image: Partial<VmPlaces['image']> = {}): Promise<VmInWorld> {
    const places = await this.#newPlaces(image);
    const vm = await this.backend.create(this.env.random.uuid(), { ...this.config, ...changes }, places);
    return this.#add(vm, places);
  }

  async boot(changes: Partial<VmConfig> = {}): Promise<VmInWorld> {
    const made = await this.make(changes);
    await made.vm.start({ disk: [] });
    return made;
  }

  /** What a new daemon does with a VM that is still there. */
  async adopt(lost: VmInWorld): Promise<VmInWorld> {
    const { runtime } = lost.vm;
    assert.ok(runtime !== null);
    await this.letGo(lost);
    const vm = await this.backend.adopt(lost.vm.id, lost.vm.config, lost.places, structuredClone(runtime));
    return this.#add(vm, lost.places);
  }

  /** As when its daemon ends: the VM lives on. */
  async letGo(lost: VmInWorld): Promise<void> {
    this.#vms.delete(lost);
    await lost.vm.close();
  }

  async snapshot(source: VmInWorld, options: { readonly resume: boolean }): Promise<TakenSnapshot> {
    const directory = join(this.directory, `snapshot-${this.#next++}`);
    await mkdir(directory);
    return { ...(await source.vm.snapshot({ directory, ...options })), directory };
  }

  /** The memory of a snapshot as one file that can be mapped. */
  async materialize(snapshot: TakenSnapshot): Promise<string> {
    const { mapPath } = snapshot.memory;
    const map = PageMap.decode(await this.env.files.readFile(mapPath, PAGE_MAP_BYTES_MAX), this.env.compute);
    const id = this.env.random.uuid();
    const pathOf = (pageFile: string): string => pageFilePath(this.blobDirectory, pageFile);
    await materializeMemory(this.env, map, pathOf, pathOf(id));
    return id;
  }

  async restoreRequest(snapshot: TakenSnapshot): Promise<RestoreRequest> {
    return {
      machine: snapshot.machine,
      deviceStatePath: join(snapshot.directory, 'device-state'),
      memory: { ...snapshot.memory, mappable: await this.materialize(snapshot) },
      disk: snapshot.disk,
      generation: snapshot.guest.generation + 1,
    };
  }

  async restore(snapshot: TakenSnapshot, changes: Partial<RestoreRequest> = {}): Promise<VmInWorld> {
    const made = await this.make();
    await made.vm.restore({ ...(await this.restoreRequest(snapshot)), ...changes });
    return made;
  }

  /** Output of a shell command in the guest, which must succeed. */
  async run({ vm }: VmInWorld, script: string): Promise<string> {
    const agent: GuestAgent = await vm.agent();
    const { stdout, stderr, exit } = await execute(agent, shell(script));
    assert.deepEqual(exit, { code: 0, timedOut: false }, `${script}: ${fromUtf8(stderr)}`);
    return fromUtf8(stdout).trim();
  }

  /** What is left of a VM that has ended. A process that its own has started gets the time to follow it. */
  async leftovers({ places }: VmInWorld): Promise<readonly string[]> {
    const startMs = performance.now();
    for (;;) {
      const processes = await this.env.processes.list();
      const own = processes.filter(
        ({ identity, args }) =>
          args.some((arg) => arg.includes(`${places.runDirectory}/`)) ||
          runsIn(identity, places.runDirectory),
      );
      const files = await readdir(places.runDirectory);
      if (own.length === 0 || performance.now() - startMs > LEFTOVER_TIMEOUT_MS)
        return [...files, ...own.map(({ identity }) => `process ${identity.pid}`)];
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Ends every VM, known or not, and removes everything. */
  async close(): Promise<void> {
    for (const { vm } of this.#vms) await vm.close();
    for (const directory of this.#runDirectories) await this.backend.removeOrphan(directory);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #newPlaces(image: Partial<VmPlaces['image']>): Promise<VmPlaces> {
    const runDirectory = join(this.directory, `run-${this.#next++}`);
    await mkdir(runDirectory);
    this.#runDirectories.push(runDirectory);
    return { runDirectory, blobDirectory: this.blobDirectory, image: { ...this.#image, ...image } };
  }

  #add(vm: VmInstance, places: VmPlaces): VmInWorld {
    const events: VmEvent[] = [];
    vm.onEvent((event) => events.push(event));
    const added = { vm, places, events };
    this.#vms.add(added);
    return added;
  }
}

/** One that is caged there has nothing of the folder among its words. */
function runsIn({ pid }: ProcessIdentity, directory: string): boolean {
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${directory}/`);
  } catch (error) {
    // Not ours to look at, so not of a VM of ours.
    if (isGone(error) || (error instanceof Error && 'code' in error && error.code === 'EACCES')) return false;
    throw error;
  }
}

/** Resolves when the VM is in the state. @throws AssertionError when it is not in time. */
export async function untilState(
  { vm }: VmInWorld,
  state: VmInstance['state'],
  timeoutMs: number,
): Promise<number> {
  const startMs = performance.now();
  while (vm.state !== state) {
    assert.ok(performance.now() - startMs < timeoutMs, `${vm.state} for ${timeoutMs} ms, not ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - startMs;
}
