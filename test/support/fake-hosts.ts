/** Hosts with fake VMs: each a `KELPIE_HOME` in a temporary folder, sharing one store and one truth about machines. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { encodeImageInfo, sealImageInfo } from '../../src/image/image-info.ts';
import { installImage } from '../../src/image/install-image.ts';
import { HostPlaces } from '../../src/teleport/host-places.ts';
import { createVm } from '../../src/teleport/lifecycle.ts';
import { Supervisor } from '../../src/daemon/supervisor.ts';
import { exampleImage } from './example-image.ts';
import { fakeDiskImages } from './fake-disk-images.ts';
import { FakeMachines } from './fake-machines.ts';
import { quickCompute } from './quick-compute.ts';
import { FakeVmBackend } from './fake-vm-backend.ts';
import type { Env } from '../../src/env/env.ts';
import type { ImageInfo } from '../../src/image/image-info.ts';
import type { VmConfig } from '../../src/snapshot/metadata.ts';
import type { ManagedVm } from '../../src/teleport/managed-vm.ts';
import type { OperationOptions } from '../../src/teleport/source.ts';
import type { Log } from '../../src/teleport/teleport-host.ts';
import type { FakeBackendOptions } from './fake-vm-backend.ts';

/** Where syncs cost nothing: crash tests make tens of thousands, and the faults that they look for are not of the disk. */
const MEMORY_FOLDER = '/dev/shm';
/** As small as a VM may be, so that its files are nothing. */
const MEMORY_MIB = 128;
const DISK_MIB = 64;

export const quiet: OperationOptions = {
  listener: { progress: () => undefined, notice: () => undefined },
  signal: new AbortController().signal,
};

export interface FakeHostOptions extends FakeBackendOptions {
  readonly onError?: (fields: Readonly<Record<string, unknown>>) => void;
}

const RM_RETRIES_MAX = 5;

export class FakeHosts {
  /** Frames are packed in this thread: a pool for each of a crash test's worlds would cost more than the tests. */
  readonly env: Env = { ...createNodeEnv(), compute: quickCompute() };
  readonly machines: FakeMachines = new FakeMachines();
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(): Promise<FakeHosts> {
    const hosts = new FakeHosts(
      await mkdtemp(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'kelpie-hosts-')),
    );
    await mkdir(hosts.storeUrl);
    return hosts;
  }

  get storeUrl(): string {
    return join(this.root, 'store');
  }

  home(name: string): string {
    return join(this.root, name);
  }

  /** A daemon without its socket, over a home that is made the first time; `env` may be one that fails. */
  async start(name: string, options: FakeHostOptions = {}, env: Env = this.env): Promise<Supervisor> {
    const places = new HostPlaces(this.home(name));
    const directories = [
      places.vmsDirectory,
      places.imageDirectory,
      places.blobDirectory,
      places.runsDirectory,
      places.operationsDirectory,
    ];
    for (const directory of directories) await mkdir(directory, { recursive: true });
    const log: Log = { info: () => undefined, error: (fields) => options.onError?.(fields) };
    const supervisor = new Supervisor({
      env,
      places,
      identity: { id: `host-${name}`, name },
      facts: { architecture: 'x86_64', kernel: 'Linux', cpu: null },
      log,
      backends: [new FakeVmBackend(env, this.machines, options)],
      disks: fakeDiskImages,
    });
    await supervisor.start();
    return supervisor;
  }

  async installImage(name: string, version?: string, env: Env = this.env): Promise<ImageInfo> {
    const info = sealImageInfo(env.compute, exampleImage(version));
    return await installImage(
      env,
      this.home(name),
      { description: encodeImageInfo(info), fetchFile: (file) => onceText(file.slice(0, 1)) },
      { digest: null, signal: quiet.signal },
    );
  }

  /** A VM named `dev` that runs. */
  async bringUp(
    { host, registry }: Pick<Supervisor, 'host' | 'registry'>,
    name = 'dev',
    env: Env = this.env,
  ): Promise<ManagedVm> {
    const { version, digest, name: image } = await this.installImage(host.identity.name, undefined, env);
    const config: VmConfig = {
      name,
      architecture: 'x86_64',
      vcpuCount: 1,
      memoryMib: MEMORY_MIB,
      diskMib: DISK_MIB,
      image: { name: image, version, digest },
      portability: 'arch',
      publish: [],
    };
    const { vm } = await createVm(host, registry, { id: host.env.random.uuid(), config }, quiet);
    return vm;
  }

  async close(): Promise<void> {
    // A daemon that was killed in this process may have a call under way that makes one more file.
    await rm(this.root, { recursive: true, force: true, maxRetries: RM_RETRIES_MAX });
  }
}

async function* onceText(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

/** The size of a fake VM's memory, in bytes. */
export const FAKE_MEMORY_BYTES: number = MEMORY_MIB * MIB;
