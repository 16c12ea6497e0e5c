/** Two hosts, each on a small disk and in a network of its own, a real S3 service and a shared directory. */
import { cp, lstat, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { baseImage } from '../support/base-image.ts';
import { startCeph } from '../support/ceph.ts';
import { CliHost } from '../support/cli-host.ts';
import { killProcessesOf, processesOf } from '../support/host-processes.ts';
import { s3Url } from '../support/strict-s3/s3-fixture.ts';
import { testKeys } from '../support/strict-s3/strict-s3.ts';
import { runProgram } from './run-program.ts';
import { SmallDisk } from './small-disk.ts';
import { SoakHost } from './soak-host.ts';
import { StoreNetwork } from './store-network.ts';
import { violated } from './violation.ts';
import { Witness } from './witness.ts';
import type { S3Server } from '../support/strict-s3/s3-server.ts';
import type { Store } from './plan.ts';

const HOST_NAMES = ['a', 'b'] as const;
/** An image, a VM of 192 MiB and what a move needs beside it; a full disk is made by filling it. */
const DISK_MIB = 1024;

export interface WorldOptions {
  readonly hasNetwork: boolean;
  readonly hasDisks: boolean;
}

export class SoakWorld {
  readonly scratch: string;
  readonly hosts: readonly [SoakHost, SoakHost];
  readonly witness: Witness;
  readonly stores: Readonly<Record<Store, string>>;
  /** What earlier rounds left there that goes by itself, in a day. */
  readonly leftInStores: Readonly<Record<Store, Set<string>>> = { bucket: new Set(), directory: new Set() };
  /** Where programs put temporary files that have no better place. */
  readonly temporary: string;
  readonly #closing: readonly (() => Promise<void>)[];

  private constructor(
    scratch: string,
    hosts: readonly [SoakHost, SoakHost],
    server: S3Server,
    closing: readonly (() => Promise<void>)[],
  ) {
    this.scratch = scratch;
    this.hosts = hosts;
    this.witness = new Witness(scratch);
    this.stores = { bucket: s3Url(server, 'soak'), directory: join(scratch, 'store') };
    this.temporary = join(scratch, 'tmp');
    this.#closing = closing;
  }

  static async open(options: WorldOptions): Promise<SoakWorld> {
    // Short, since sockets lie in it.
    const scratch = await mkdtemp(join(tmpdir(), 'klp-'));
    const closing = [
      async (): Promise<void> => rm(scratch, { recursive: true }),
      async (): Promise<void> => killProcessesOf(scratch),
    ];
    try {
      for (const name of ['store', 'tmp']) await mkdir(join(scratch, name));
      const network = options.hasNetwork ? await StoreNetwork.create(HOST_NAMES) : null;
      if (network !== null) closing.push(() => network.close());
      const server = await startCeph(network?.address);
      closing.push(() => server.close());
      const hosts: SoakHost[] = [];
      for (const name of HOST_NAMES) {
        const disk = options.hasDisks ? await SmallDisk.mount(join(scratch, name), DISK_MIB) : null;
        // Below the end of what runs there.
        if (disk !== null) closing.splice(1, 0, () => disk.unmount());
        hosts.push(await openHost(scratch, name, disk, network));
      }
      const [a, b] = hosts;
      if (a === undefined || b === undefined) throw new Error('there are two hosts');
      return new SoakWorld(scratch, [a, b], server, closing);
    } catch (error) {
      await closeAll(closing);
      throw error;
    }
  }

  /** Ends everything; the hosts first check that nothing of them is left. */
  async close(): Promise<void> {
    try {
      for (const { cli } of this.hosts) await cli.close();
      const left = await processesOf(this.scratch);
      if (left.length > 0) violated('leak', `still there at the end: ${JSON.stringify(left)}`);
    } finally {
      await this.abandon();
    }
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    if (mounts.includes(this.scratch)) violated('leak', `something is still mounted below ${this.scratch}`);
  }

  /** Ends everything as it is. */
  async abandon(): Promise<void> {
    await this.witness.end();
    await closeAll(this.#closing);
  }

  /** Copies of all homes, for whoever looks into a failure: sockets and images are left out. */
  async keepHomes(target: string): Promise<void> {
    await rm(target, { recursive: true, force: true });
    for (const { cli } of this.hosts)
      await cp(cli.home, join(target, cli.name), { recursive: true, filter: isWorthKeeping });
  }
}

/** In the reverse order of how they were made. A failure does not keep the rest from being ended. */
async function closeAll(closing: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closing.toReversed()) {
    try {
      await close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, `not all was ended: ${failures.join('; ')}`);
}

async function openHost(
  scratch: string,
  name: string,
  disk: SmallDisk | null,
  network: StoreNetwork | null,
): Promise<SoakHost> {
  const enter = network?.enter(name) ?? [];
  const env = { ...testKeys, TMPDIR: join(scratch, 'tmp') };
  const root = disk?.path ?? scratch;
  const cli = await CliHost.create(root, name, { images: disk === null ? ['x86_64'] : [], env, enter });
  if (disk !== null) await copyImage(cli.home);
  return new SoakHost(cli, disk, network);
}

/** Another file system cannot share the bytes of the suites' image. What is known of QEMU comes along: to find it out takes two seconds each. */
async function copyImage(home: string): Promise<void> {
  const { files } = await baseImage(createNodeEnv(), 'x86_64');
  const image = dirname(files.kernel);
  await runProgram('cp', '-r', '--sparse=always', image, join(home, 'images', basename(image)));
  const findings = join(dirname(dirname(image)), 'cache');
  await mkdir(join(home, 'cache'), { mode: 0o700 });
  for (const file of await readdir(findings))
    if (/^qemu-.*\.json$/.test(file)) await cp(join(findings, file), join(home, 'cache', file));
}

async function isWorthKeeping(path: string): Promise<boolean> {
  if (basename(path) === 'images') return false;
  const stats = await lstat(path);
  return stats.isFile() || stats.isDirectory();
}
