/** What must not be there between rounds: looked for in the machine itself, not asked of the program. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { listAll } from '../../src/store/objects/list-all.ts';
import { openObjects } from '../../src/store/objects/open-objects.ts';
import { eventually } from '../support/eventually.ts';
import { s3Env } from '../support/strict-s3/s3-fixture.ts';
import { violated } from './violation.ts';
import type { SoakHost } from './soak-host.ts';
import { isNetworkFault } from './plan.ts';
import type { FaultName, Store } from './plan.ts';
import type { SoakWorld } from './world.ts';

/** Of a daemon between operations: sockets to a VM and a few clients, files, pipes. */
const DESCRIPTORS_MAX = 64;
/** Downloads that nobody went on with; more are swept (`teleport/sweep-downloads.ts`). */
const DOWNLOADS_MAX = 4;
/** Of one publish: its pin and an upload, of the image and of the package. */
const LEFT_BY_A_CUT_MAX = 4;
/** Threads that ended, files that a background sweep is about to remove. */
const CALM_MS_MAX = 30_000;

export interface RoundEnd {
  /** It is swept by the host where the VM is. */
  readonly store: Store;
  readonly struck: readonly FaultName[];
}

export async function requireNoLeaks(world: SoakWorld, where: SoakHost, end: RoundEnd): Promise<void> {
  for (const host of world.hosts) await requireHostClean(host, host === where ? 1 : 0);
  await requireEmpty(world.temporary, 'the folder for temporary files');
  await requireStoreClean(world, where, end);
  const foreign = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((path) => path.startsWith(`${world.scratch}/`))
    .filter((path) => !world.hosts.some(({ name }) => path === join(world.scratch, name)));
  if (foreign.length > 0) violated('leak', `mounted: ${foreign.join(', ')}`);
}

async function requireHostClean(host: SoakHost, machinesWanted: number): Promise<void> {
  const { daemons, machines, others } = await host.runs();
  if (daemons.length !== 1 || machines.length !== machinesWanted || others.length > 0) {
    const all = [...daemons, ...machines, ...others].map(
      ({ pid, args }) => `${pid} ${args.join(' ').slice(0, 100)}`,
    );
    violated('leak', `${host.name} has processes: ${all.join('; ')}`);
  }
  const { home } = host.cli;
  await requireEmpty(join(home, 'operations'), `the journal of ${host.name}`);
  await requireEmpty(join(home, 'tmp'), `temporary files of ${host.name}`);
  const downloads = await readdir(join(home, 'downloads'));
  if (downloads.length > DOWNLOADS_MAX) violated('leak', `${host.name} keeps ${downloads.length} downloads`);
  await requireBlobsNamed(host);
  const pid = daemons[0]?.pid ?? 0;
  await requireSocketsOfLive(host, pid, machinesWanted);
  const descriptors = await readdir(`/proc/${pid}/fd`);
  if (descriptors.length > DESCRIPTORS_MAX)
    violated('leak', await describeDescriptors(host, pid, descriptors));
}

/** A sweep runs in the background after each operation. */
async function requireBlobsNamed(host: SoakHost): Promise<void> {
  const { home } = host.cli;
  const unnamed = async (): Promise<readonly string[]> => {
    const paths = await readdir(join(home, 'vms'), { recursive: true });
    const records = paths.filter((path) => path.endsWith('.json'));
    const texts = await Promise.all(records.map(async (path) => readFile(join(home, 'vms', path), 'utf8')));
    const named = texts.join('\n');
    return (await readdir(join(home, 'blobs'))).filter((blob) => !named.includes(blob.replace(/\..*$/, '')));
  };
  await calm(
    async () => (await unnamed()).length === 0,
    async () => `blobs of nobody on ${host.name}: ${(await unnamed()).join(', ')}`,
  );
}

async function requireSocketsOfLive({ cli, name }: SoakHost, pid: number, machines: number): Promise<void> {
  const bound = (await readFile(`/proc/${pid}/net/unix`, 'utf8'))
    .split('\n')
    .map((line) => line.split(' ').at(-1) ?? '')
    .filter((path) => path.startsWith(`${cli.home}/`))
    .map((path) => relative(cli.home, path));
  const directories = new Set(
    bound.filter((path) => path.startsWith('run/')).map((path) => path.split('/')[1]),
  );
  if (directories.size > machines) violated('leak', `${name} has sockets: ${bound.join(', ')}`);
}

/**
 * What was cut and may still be going on, as far as the store can know, goes after a day (`PIN_MS_MAX`): pins of publishers, unfinished uploads, bodies on their way, sweeps. So none may come
 * of a round in which no daemon was killed and no network cut, and few of another.
 */
async function requireStoreClean(
  world: SoakWorld,
  { cli }: SoakHost,
  { store, struck }: RoundEnd,
): Promise<void> {
  const url = world.stores[store];
  await cli.must(['package', 'prune', '--keep-last', '1', '--store', url]);
  await cli.must(['package', 'gc', '--grace', '0', '--store', url]);
  const objects = await openObjects(s3Env(), url);
  const { uploads } = await objects.listUploads({ prefix: '' });
  const left = uploads.map(({ key }) => `upload of ${key}`);
  for (const prefix of ['pins/', 'sweeps/'])
    for await (const { key } of listAll(objects, prefix)) left.push(key);
  if (store === 'directory') left.push(...(await readdir(join(url, '.kelpie-objects/parts'))));
  const known = world.leftInStores[store];
  const fresh = left.filter((one) => !known.has(one));
  const freshMax = struck.some(leavesThings) ? LEFT_BY_A_CUT_MAX : 0;
  if (fresh.length > freshMax) violated('leak', `left in the ${store}: ${fresh.join(', ')}`);
  for (const one of fresh) known.add(one);
}

function leavesThings(fault: FaultName): boolean {
  return isNetworkFault(fault) || fault.endsWith('-daemon');
}

async function requireEmpty(directory: string, what: string): Promise<void> {
  await calm(
    async () => (await readdir(directory)).length === 0,
    async () => `${what}: ${(await readdir(directory)).join(', ')}`,
  );
}

async function calm(condition: () => Promise<boolean>, found: () => Promise<string>): Promise<void> {
  try {
    await eventually(condition, 'nothing is left', found, CALM_MS_MAX);
  } catch {
    violated('leak', await found());
  }
}

async function describeDescriptors(
  host: SoakHost,
  pid: number,
  descriptors: readonly string[],
): Promise<string> {
  const targets = await Promise.all(descriptors.map(async (one) => readlink(`/proc/${pid}/fd/${one}`)));
  return `the daemon of ${host.name} has ${descriptors.length} descriptors: ${targets.join(', ')}`;
}
