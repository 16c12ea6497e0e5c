import assert from 'node:assert/strict';
import { CLEARED_PAGES, WRITTEN_PAGES } from '../counting-guest.ts';
import { Skipped } from '../case.ts';
import type { Case } from '../case.ts';
import { refused, state } from '../expect.ts';
import {
  letWork,
  memoryBytes,
  pause,
  pausedWithBase,
  resume,
  snapshot,
  snapshotRequest,
  start,
} from '../machine.ts';
import { dataExtents } from '../holes.ts';
import { assertDiffFits, assertSameFiles, counted } from '../memory-files.ts';
import type { UnderTest } from '../under-test.ts';

/** By chance the number is even, or odd, each time. */
const CLEARING_TRIES = 30;

/** The pages of those two that are zero in a memory file. */
async function clearedPages(one: UnderTest, name: string): Promise<readonly number[]> {
  const memory = await one.read(`${name}.memory`);
  return CLEARED_PAGES.filter((address) => memory.readUInt32LE(address) === 0);
}

/** Takes diffs until one of the two pages, which was not zero, has become zero in it; its address. */
async function diffWithClearedPage(one: UnderTest): Promise<number> {
  let before = await clearedPages(one, 'base');
  for (let tries = 0; tries < CLEARING_TRIES; tries += 1) {
    await resume(one);
    await letWork(one);
    await pause(one);
    await one.remove('diff.memory');
    await snapshot(one, 'diff', 'Diff');
    // What the machine really has: in the diff, what it left out reads as zero too.
    await snapshot(one, 'whole');
    const after = await clearedPages(one, 'whole');
    const cleared = after.find((address) => !before.includes(address));
    if (cleared !== undefined) return cleared;
    before = after;
  }
  throw new Error('the same page was zero each time');
}

export const snapshotCases: readonly Case[] = [
  {
    name: 'a full snapshot has a state file and the whole memory, and the machine still stands',
    run: async (world) => {
      const one = await pausedWithBase(world);
      assert.equal((await one.sizes('base.memory')).length, memoryBytes(world));
      assert.ok((await one.sizes('base.state')).length > 0);
      assert.equal(await state(one), 'Paused');
    },
  },
  {
    name: 'a paused guest does nothing: two snapshots of one pause have the same memory',
    run: async (world) => {
      const one = await pausedWithBase(world);
      await letWork(one);
      await snapshot(one, 'again');
      await assertSameFiles(one, 'base.memory', 'again.memory');
    },
  },
  {
    name: 'a guest that goes on after a snapshot goes on working',
    run: async (world) => {
      const one = await pausedWithBase(world);
      await resume(one);
      await letWork(one);
      await pause(one);
      await snapshot(one, 'later');
      const [before, after] = await Promise.all(
        ['base', 'later'].map(async (name) => await one.read(`${name}.memory`)),
      );
      assert.notDeepEqual(before, after);
    },
  },
  {
    name: 'files that are there already are replaced, longer ones too',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      await pause(one);
      const longer = Buffer.alloc(memoryBytes(world) + 2 ** 20, 0xee);
      for (const kind of ['state', 'memory']) await one.write(`base.${kind}`, longer);
      await snapshot(one, 'base');
      await snapshot(one, 'again');
      await assertSameFiles(one, 'base.memory', 'again.memory');
      assert.ok((await one.sizes('base.state')).length < longer.byteLength);
    },
  },
  ...[true, false].map((isTracked) => ({
    name: `a diff over the snapshot before is the whole memory, ${isTracked ? 'with' : 'without'} dirty tracking`,
    run: async (world: Parameters<Case['run']>[0]) => {
      if (!isTracked) world.needs(13, 'a diff without dirty tracking');
      const one = await pausedWithBase(world, { track_dirty_pages: isTracked });
      for (const [base, name] of [
        ['base', 'first'],
        ['first-whole', 'second'],
      ] as const) {
        await resume(one);
        await letWork(one);
        await pause(one);
        await snapshot(one, name, 'Diff');
        await snapshot(one, `${name}-whole`);
        await assertDiffFits(one, `${base}.memory`, `${name}.memory`, `${name}-whole.memory`);
      }
    },
  })),
  {
    name: 'a tracked diff has what was written since the snapshot before, and little more',
    run: async (world) => {
      if (world.options.plainGuest !== null)
        throw new Skipped('only the guest of the suite writes to known pages');
      const one = await pausedWithBase(world, { track_dirty_pages: true });
      await resume(one);
      await letWork(one);
      await pause(one);
      await snapshot(one, 'diff', 'Diff');
      const { length, allocated } = await one.sizes('diff.memory');
      assert.equal(length, memoryBytes(world));
      // The guest writes to so many pages and no others; a file system may allocate some around them.
      assert.ok(allocated >= 4096, 'something was written');
      assert.ok(allocated <= 4 * WRITTEN_PAGES * 4096, `${allocated} bytes`);
      const [before, after] = [await counted(one, 'base.memory'), await counted(one, 'diff.memory')];
      assert.ok(after > before, 'the guest counted on');
    },
  },
  {
    name: 'a page that the guest cleared is data in a diff, not a hole',
    run: async (world) => {
      if (world.options.plainGuest !== null)
        throw new Skipped('only the guest of the suite clears a known page');
      const one = await pausedWithBase(world, { track_dirty_pages: true });
      const cleared = await diffWithClearedPage(one);
      const data = await dataExtents(one.env, one.path('diff.memory'));
      const isData = data.some(({ from, to }) => from <= cleared && cleared < to);
      assert.ok(isData, `page ${cleared / 4096} was written, and reads as a hole`);
    },
  },
  {
    name: 'a diff of a machine that was booted and never snapshotted can be loaded alone',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one, { track_dirty_pages: true });
      await letWork(one);
      await pause(one);
      await snapshot(one, 'diff', 'Diff');
      await snapshot(one, 'whole');
      await assertSameFiles(one, 'diff.memory', 'whole.memory');
    },
  },
  {
    name: 'a snapshot into a folder that is not there is refused, and the machine can go on',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      await pause(one);
      refused(await one.put('/snapshot/create', { ...snapshotRequest('base'), snapshot_path: 'none/state' }));
      refused(
        await one.put('/snapshot/create', { ...snapshotRequest('base'), mem_file_path: 'none/memory' }),
      );
      assert.equal(await state(one), 'Paused');
      await snapshot(one, 'base');
      await resume(one);
      assert.equal(await state(one), 'Running');
    },
  },
];
