import assert from 'node:assert/strict';
import { Skipped } from '../case.ts';
import type { Case, World } from '../case.ts';
import { done, object, refused, state } from '../expect.ts';
import {
  freshWithBase,
  letWork,
  loadedFromBase,
  loadRequest,
  memoryBytes,
  pause,
  resume,
  snapshot,
  start,
} from '../machine.ts';
import { assertDiffFits, assertSameFiles, assertSameMemory, counted, pageAt } from '../memory-files.ts';
import { ownPages, PAGE, privateMapping, processBytes } from '../process-memory.ts';
import type { UnderTest } from '../under-test.ts';

/** A load that must fail, and end the process. */
interface BadLoad {
  readonly what: string;
  readonly prepare?: (one: UnderTest) => Promise<void>;
  readonly more?: Readonly<Record<string, unknown>>;
  readonly since?: number;
}

const badLoads: readonly BadLoad[] = [
  { what: 'a state file that is not there', prepare: (one) => one.remove('base.state') },
  { what: 'a memory file that is not there', prepare: (one) => one.remove('base.memory') },
  {
    what: 'a state file with a flipped bit',
    prepare: (one) => flipBit(one, 'base.state'),
  },
  { what: 'half a state file', prepare: (one) => one.truncate('base.state', 1000) },
  { what: 'an empty state file', prepare: (one) => one.truncate('base.state', 0) },
  {
    what: 'a memory file that is a page too short',
    prepare: async (one) => {
      const { length } = await one.sizes('base.memory');
      await one.truncate('base.memory', length - PAGE);
    },
  },
  {
    what: 'another device for a network interface that there is not',
    more: { network_overrides: [{ iface_id: 'none', host_dev_name: 'none' }] },
    since: 12,
  },
  {
    what: 'another socket for a vsock that there is not',
    more: { vsock_override: { uds_path: 'other.sock' } },
    since: 16,
  },
];

async function flipBit(one: UnderTest, name: string): Promise<void> {
  const bytes = await one.read(name);
  const middle = Math.floor(bytes.byteLength / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10;
  await one.write(name, bytes);
}

/** What the process sees of a loaded memory. */
async function view(
  world: World,
  one: UnderTest,
): Promise<{ readonly memory: Buffer; readonly own: readonly boolean[] }> {
  const size = memoryBytes(world);
  const address = await privateMapping(one, 'base.memory', size);
  return {
    memory: await processBytes(one, address, size),
    own: await ownPages(one, address, size),
  };
}

/** Every page that is not the file's own counts as written; every other is as the file has it. */
function overlaid(file: Buffer, { memory, own }: { memory: Buffer; own: readonly boolean[] }): Buffer {
  const result = Buffer.from(file);
  own.forEach((isOwn, page) => {
    if (isOwn) pageAt(memory, page * PAGE).copy(result, page * PAGE);
  });
  return result;
}

export const loadCases: readonly Case[] = [
  {
    name: 'a snapshot loads into a fresh process, and stands still there',
    run: async (world) => {
      const one = await loadedFromBase(world);
      assert.equal(await state(one), 'Paused');
      await resume(one);
      assert.equal(await state(one), 'Running');
    },
  },
  {
    name: 'a load can go on at once',
    run: async (world) => {
      const one = await loadedFromBase(world, { resume_vm: true });
      assert.equal(await state(one), 'Running');
    },
  },
  {
    name: 'the older way to name the memory file works too',
    run: async (world) => {
      const one = await freshWithBase(world);
      done(await one.put('/snapshot/load', { snapshot_path: 'base.state', mem_file_path: 'base.memory' }));
      assert.equal(await state(one), 'Paused');
    },
  },
  {
    name: 'a loaded machine tells its size',
    run: async (world) => {
      const one = await loadedFromBase(world);
      assert.equal(object(await one.get('/machine-config'))['mem_size_mib'], memoryBytes(world) / 2 ** 20);
    },
  },
  {
    name: 'the memory file is mapped privately, and read as it is',
    run: async (world) => {
      const one = await loadedFromBase(world);
      const { memory } = await view(world, one);
      assertSameMemory(memory, await one.read('base.memory'), 'mapping and file');
    },
  },
  {
    name: 'the page map tells what was written: the file, overlaid by the own pages, is the memory',
    run: async (world) => {
      const one = await loadedFromBase(world, { resume_vm: true });
      await letWork(one);
      await pause(one);
      const seen = await view(world, one);
      assert.ok(seen.own.includes(true), 'the guest wrote something');
      assert.ok(seen.own.includes(false), 'the guest did not write everything');
      const file = await one.read('base.memory');
      assertSameMemory(overlaid(file, seen), seen.memory, 'file with own pages, and mapping');
      await snapshot(one, 'whole');
      assertSameMemory(seen.memory, await one.read('whole.memory'), 'mapping and snapshot');
    },
  },
  {
    name: 'the memory file stays as it was while a machine runs from it',
    run: async (world) => {
      const one = await freshWithBase(world);
      await one.copy('base.memory', 'copy.memory');
      done(await one.put('/snapshot/load', loadRequest('base', { resume_vm: true })));
      await letWork(one);
      await one.kill();
      await assertSameFiles(one, 'base.memory', 'copy.memory');
    },
  },
  {
    name: 'two machines run from one memory file, each with its own memory',
    run: async (world) => {
      const [first, second] = [await freshWithBase(world), await world.launch('other')];
      const from = { snapshot_path: first.path('base.state'), mem_file_path: first.path('base.memory') };
      for (const one of [first, second]) done(await one.put('/snapshot/load', from));
      await resume(first);
      await letWork(first);
      await pause(first);
      await snapshot(first, 'later');
      await snapshot(second, 'later');
      assertSameMemory(await first.read('base.memory'), await second.read('later.memory'), 'of both');
      const later = await first.read('later.memory');
      assert.ok(!later.equals(await first.read('base.memory')), 'the first one has worked');
    },
  },
  {
    name: 'the guest goes on counting where it was',
    run: async (world) => {
      if (world.options.plainGuest !== null) throw new Skipped('only the guest of the suite counts');
      const one = await loadedFromBase(world, { resume_vm: true });
      await letWork(one);
      await pause(one);
      await snapshot(one, 'later');
      const [before, after] = [await counted(one, 'base.memory'), await counted(one, 'later.memory')];
      assert.ok(before > 0 && after > before, `${before} and then ${after}`);
    },
  },
  {
    name: 'a diff after a load has what was written since, when tracking was asked for',
    run: async (world) => {
      world.needs(13, 'track_dirty_pages of a load');
      const one = await loadedFromBase(world, { track_dirty_pages: true, resume_vm: true });
      await letWork(one);
      await pause(one);
      await snapshot(one, 'diff', 'Diff');
      await snapshot(one, 'whole');
      await assertDiffFits(one, 'base.memory', 'diff.memory', 'whole.memory');
    },
  },
  {
    name: 'a snapshot of a loaded machine loads again',
    run: async (world) => {
      const one = await loadedFromBase(world, { resume_vm: true });
      await letWork(one);
      await pause(one);
      await snapshot(one, 'second');
      await one.kill();
      const next = await world.launch();
      done(await next.put('/snapshot/load', loadRequest('second', { resume_vm: true })));
      assert.equal(await state(next), 'Running');
    },
  },
  {
    name: 'logger and metrics may come before a load',
    run: async (world) => {
      const one = await freshWithBase(world);
      for (const name of ['log', 'metrics']) await one.write(name, '');
      done(await one.put('/logger', { log_path: 'log', level: 'Info' }));
      done(await one.put('/metrics', { metrics_path: 'metrics' }));
      done(await one.put('/snapshot/load', loadRequest('base')));
    },
  },
  {
    name: 'a load after any other configuration is refused, and the process lives on',
    run: async (world) => {
      const one = await freshWithBase(world);
      done(await one.put('/machine-config', { vcpu_count: 1, mem_size_mib: 64 }));
      refused(await one.put('/snapshot/load', loadRequest('base')));
      assert.equal(await state(one), 'Not started');
    },
  },
  {
    name: 'a load with both ways to name the memory, or with none, is refused, and the process can still load',
    run: async (world) => {
      const one = await freshWithBase(world);
      refused(await one.put('/snapshot/load', loadRequest('base', { mem_file_path: 'base.memory' })));
      refused(await one.put('/snapshot/load', { snapshot_path: 'base.state' }));
      done(await one.put('/snapshot/load', loadRequest('base')));
    },
  },
  {
    name: 'a second load in one process is refused',
    run: async (world) => {
      const one = await loadedFromBase(world);
      refused(await one.put('/snapshot/load', loadRequest('base')));
      assert.equal(await state(one), 'Paused');
    },
  },
  ...badLoads.map(({ what, prepare, more, since }) => ({
    name: `a load fails and ends the process: ${what}`,
    run: async (world: World) => {
      if (since !== undefined) world.needs(since, 'the field');
      const one = await freshWithBase(world);
      await prepare?.(one);
      refused(await one.put('/snapshot/load', loadRequest('base', more)));
      assert.notEqual(await one.end(), 0);
    },
  })),
  {
    name: 'a field of a newer version is refused by an older one, and the process can still load',
    run: async (world) => {
      const one = await freshWithBase(world);
      refused(await one.put('/snapshot/load', loadRequest('base', { field_of_tomorrow: true })));
      done(await one.put('/snapshot/load', loadRequest('base')));
    },
  },
  {
    name: 'a vsock comes back at the path of the snapshot, and at another one when told so',
    run: async (world) => {
      const source = await snapshotWithVsock(world);
      await source.kill();
      await source.remove('v.sock');
      const same = await world.launch();
      done(await same.put('/snapshot/load', loadRequest('base')));
      await assertListens(same, 'v.sock');
      world.needs(16, 'vsock_override');
      const other = await world.launch('vm');
      done(
        await other.put('/snapshot/load', loadRequest('base', { vsock_override: { uds_path: 'w.sock' } })),
      );
      await assertListens(other, 'w.sock');
    },
  },
  {
    name: 'a load whose vsock path is taken fails and ends the process',
    run: async (world) => {
      await snapshotWithVsock(world);
      const other = await world.launch('vm');
      refused(await other.put('/snapshot/load', loadRequest('base')));
      assert.notEqual(await other.end(), 0);
    },
  },
];

/** A paused machine with a vsock at `v.sock`, and its snapshot `base`. */
async function snapshotWithVsock(world: World): Promise<UnderTest> {
  const source = await world.launch();
  done(await source.put('/vsock', { guest_cid: 3, uds_path: 'v.sock' }));
  await start(world, source);
  await pause(source);
  await snapshot(source, 'base');
  return source;
}

async function assertListens(one: UnderTest, name: string): Promise<void> {
  const connection = await one.env.sockets.connect({ kind: 'unix', path: one.path(name) });
  connection.close();
}
