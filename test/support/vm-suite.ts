/** What every backend promises (`src/vm/instance.ts`), with real VMs. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fromUtf8Lossy } from '../../src/base/bytes.ts';
import { isKelpieError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/error-codes.ts';
import { diskLayerPath } from '../../src/snapshot/local-snapshot.ts';
import { IMAGE_BUILD_TIMEOUT_MS } from './base-image.ts';
import { eventually } from './eventually.ts';
import { assertWorks, startWork, workDone, workPid } from './guest-work.ts';
import { untilState } from './vm-world.ts';
import type { TakenSnapshot, VmInWorld, VmWorld } from './vm-world.ts';

const SUITE_TIMEOUT_MS = 180_000;
/** How far a restored guest's clock may be from the host's. */
const CLOCK_ERROR_MS_MAX = 50;
/** Long enough for the guest's work to count 50 times if it were not held. */
const PAUSE_MS = 1000;
/** How soon a crash is noticed, where nothing else says. */
const CRASH_NOTICE_MS_MAX = 1000;
const PANIC_NOTICE_MS_MAX = 60_000;
/** Whatever stands still between the reading of a clock and its setting is not made good: so many times are tried. */
const CLOCK_TRIES_MAX = 5;
/** The guest's work counts once in this, or less often. */
const WORK_PERIOD_MS = 20;
/** What it may count more, for the time that its own clock is set to. */
const WORK_SLACK = 10;

export function vmSuite(
  name: string,
  createWorld: () => Promise<VmWorld>,
  crashNoticeMsMax: number = CRASH_NOTICE_MS_MAX,
): void {
  describe(`${name}: a VM`, { timeout: IMAGE_BUILD_TIMEOUT_MS + SUITE_TIMEOUT_MS }, () => {
    let world: VmWorld;
    let booted: VmInWorld;
    /** A guest with work in it; each test has a copy of its own. */
    let snapshot: TakenSnapshot;

    before(async () => {
      world = await createWorld();
      booted = await world.boot();
      await startWork(world, booted);
      snapshot = await world.snapshot(booted, { resume: true });
    });
    after(async () => await world.close());

    test('boots until its agent answers, and tells', async () => {
      assert.equal(booted.vm.state, 'running');
      assert.deepEqual(
        booted.events.flatMap((event) => (event.kind === 'state' ? [event.state] : [])),
        ['starting', 'running'],
      );
      assert.equal(booted.vm.runtime?.machine.backend, world.backend.name);
      await untilClockIsRight(async (isFirst) => (isFirst ? booted : await pausedAndResumed(booted)));
      assert.match(await world.run(booted, 'uname -a'), /Linux/);
      assert.ok((await booted.vm.console()).byteLength > 0);
    });

    test('goes on after a snapshot, with its disk in a new layer', async () => {
      const { runtime } = booted.vm;
      assert.ok(runtime !== null);
      assert.deepEqual(runtime.disk.slice(0, -1), snapshot.disk);
      assert.ok(snapshot.timings.pauseMs > 0 && snapshot.timings.dirtyBytes > 0);
      await assertWorks(world, booted);
    });

    test('goes on elsewhere where it was, with its clock right and its generation counted', async () => {
      const pid = await workPid(world, booted);
      const copy = await untilClockIsRight(async () => await world.restore(snapshot));
      const { generation } = await (await copy.vm.agent()).health();
      assert.equal(generation, snapshot.guest.generation + 1);
      assert.equal(await workPid(world, copy), pid);
      await assertWorks(world, copy);
      await copy.vm.stop({ force: true });
    });

    test('answers before everything else in it, runs commands as usual, and shows none that nobody asked for', async () => {
      const copy = await world.restore(snapshot);
      const asked = await (await booted.vm.agent()).listSessions();
      const shown = await (await copy.vm.agent()).listSessions();
      assert.deepEqual(
        shown.map(({ session }) => session),
        asked.map(({ session }) => session).slice(0, shown.length),
      );
      assert.equal(await world.run(copy, 'cut -d" " -f19 /proc/1/stat'), '-20');
      assert.equal(await world.run(copy, 'nice'), '0');
      await copy.vm.stop({ force: true });
    });

    test('two copies of one snapshot run side by side and disturb neither each other nor the source', async () => {
      const copies = [await world.restore(snapshot), await world.restore(snapshot)];
      for (const [index, copy] of copies.entries())
        await world.run(copy, `echo ${index} > /root/who && sync`);
      for (const [index, copy] of copies.entries()) {
        assert.equal(await world.run(copy, 'cat /root/who'), String(index));
        await assertWorks(world, copy);
      }
      await assert.rejects(world.run(booted, 'cat /root/who'));
      for (const copy of copies) await copy.vm.stop({ force: true });
    });

    test('is held by a pause and let go by a resume', async () => {
      const copy = await world.restore(snapshot);
      const startMs = performance.now();
      const counted = await workDone(world, copy);
      await copy.vm.pause();
      const pausedMs = performance.now();
      assert.equal(copy.vm.state, 'paused');
      await rejects(copy.vm.agent(), 'invalid_state');
      await rejects(copy.vm.pause(), 'invalid_state');
      await delay(PAUSE_MS);
      const stillMs = performance.now() - pausedMs;
      await copy.vm.resume();
      await rejects(copy.vm.resume(), 'invalid_state');
      const countedAfter = await workDone(world, copy);
      const ranMs = performance.now() - startMs - stillMs;
      const countedMax = counted + ranMs / WORK_PERIOD_MS + WORK_SLACK;
      assert.ok(countedAfter >= counted && countedAfter < countedMax, `${counted} → ${countedAfter}`);
      await untilClockIsRight(async (isFirst) => (isFirst ? copy : await pausedAndResumed(copy)));
      await copy.vm.stop({ force: true });
    });

    test('stays paused after a snapshot that asks for it, also one that was paused before', async () => {
      const copy = await world.restore(snapshot);
      const first = await world.snapshot(copy, { resume: false });
      assert.equal(copy.vm.state, 'paused');
      const second = await world.snapshot(copy, { resume: true });
      assert.equal(copy.vm.state, 'paused', 'whoever paused it resumes it');
      const pages = await Promise.all(
        [first, second].map(async (taken) =>
          readFile(join(world.blobDirectory, `${await world.materialize(taken)}.pages`)),
        ),
      );
      assert.ok(
        pages[0] !== undefined && pages[1] !== undefined && pages[0].equals(pages[1]),
        'nothing changed between them',
      );
      await copy.vm.resume();
      await assertWorks(world, copy);
      await copy.vm.stop({ force: true });
      const again = await world.restore(second);
      await assertWorks(world, again);
      await again.vm.stop({ force: true });
    });

    test('has memory and disk of one instant', async () => {
      // From an older VMM on this one: what is written from here on is not for the older one to read.
      const machine = { ...snapshot.machine, backendVersion: '1.0.0' };
      const copy = await world.restore(snapshot, { machine });
      const taken = await world.snapshot(copy, { resume: true });
      assert.deepEqual([copy.vm.runtime?.machine, taken.machine], [snapshot.machine, snapshot.machine]);
      await world.run(copy, 'sleep 0.3');
      await copy.vm.stop({ force: true });
      const later = await world.restore(taken);
      // The worker checks every file that it finds against its memory, and ends when one differs.
      await world.run(later, 'sleep 0.3; sync; echo 3 > /proc/sys/vm/drop_caches; sleep 0.5');
      await assertWorks(world, later);
      await later.vm.stop({ force: true });
    });

    test('does one act at a time', async () => {
      const copy = await world.restore(snapshot);
      const directory = join(world.directory, 'one-at-a-time');
      await world.env.files.makeDirectory(directory);
      const first = copy.vm.snapshot({ directory, resume: true });
      await rejects(copy.vm.pause(), 'vm_busy');
      await rejects(copy.vm.stop(), 'vm_busy');
      await rejects(world.snapshot(copy, { resume: true }), 'vm_busy');
      assert.match(await world.run(copy, 'echo meanwhile'), /meanwhile/);
      await first;
      await copy.vm.stop({ force: true });
      await rejects(copy.vm.stop(), 'invalid_state');
      await rejects(world.snapshot(copy, { resume: true }), 'invalid_state');
      await rejects(copy.vm.agent(), 'invalid_state');
    });

    test('is refused before its first instruction by whoever must agree, and leaves nothing', async () => {
      const blobs = await readdir(world.blobDirectory);
      const made = await world.make();
      const request = await world.restoreRequest(snapshot);
      const refusal = new Error('not ours');
      await assert.rejects(
        made.vm.restore({ ...request, beforeResume: () => Promise.reject(refusal) }),
        refusal,
      );
      assert.equal(made.vm.state, 'stopped');
      assert.equal(made.vm.runtime, null);
      assert.deepEqual(await world.leftovers(made), []);
      assert.deepEqual(
        await readdir(world.blobDirectory),
        [...blobs, `${request.memory.mappable ?? ''}.pages`].toSorted(),
      );
    });

    test('is not restored from a damaged device state', async () => {
      const path = join(world.directory, 'damaged');
      const state = await readFile(join(snapshot.directory, 'device-state'));
      await writeFile(path, state.fill(0x5a, 100, 2000));
      const made = await world.make();
      const request = await world.restoreRequest(snapshot);
      // Some VMMs know a damaged state from one that does not fit.
      await rejects(
        made.vm.restore({ ...request, deviceStatePath: path }),
        'restore_failed',
        'snapshot_corrupt',
      );
      assert.deepEqual(await world.leftovers(made), []);
    });

    test('is not restored on a machine that this host does not have', async () => {
      const made = await world.make();
      const request = await world.restoreRequest(snapshot);
      const machine = { ...request.machine, machineType: 'pc-q35-99.9' };
      await rejects(made.vm.restore({ ...request, machine }), 'restore_incompatible');
      assert.deepEqual(await world.leftovers(made), []);
    });

    test('gives up a start or a restore that is canceled, and leaves nothing', async () => {
      for (const phase of ['process', 'load', 'guest']) {
        const canceled = new AbortController();
        const made = await world.make();
        const request = await world.restoreRequest(snapshot);
        const onProgress = (progress: { readonly phase: string }): void => {
          if (progress.phase === phase) canceled.abort();
        };
        await rejects(made.vm.restore({ ...request, onProgress, signal: canceled.signal }), 'canceled');
        assert.deepEqual(await world.leftovers(made), []);
      }
      const canceled = new AbortController();
      const made = await world.make();
      const onProgress = (): void => void setTimeout(() => canceled.abort(), 300);
      await rejects(made.vm.start({ disk: [], onProgress, signal: canceled.signal }), 'canceled');
      assert.deepEqual(await world.leftovers(made), []);
    });

    test('goes on when its snapshot is canceled', async () => {
      const copy = await world.restore(snapshot);
      const directory = join(world.directory, 'canceled');
      await world.env.files.makeDirectory(directory);
      await rejects(copy.vm.snapshot({ directory, resume: true, signal: AbortSignal.abort() }), 'canceled');
      assert.equal(copy.vm.state, 'running');
      assert.deepEqual(await readdir(directory), []);
      await assertWorks(world, copy);
      await world.snapshot(copy, { resume: true });
      await copy.vm.stop({ force: true });
    });

    test('is stopped in order, boots from its disk, and leaves nothing else', async () => {
      const copy = await world.restore(snapshot);
      await world.run(copy, 'echo kept > /root/kept');
      const disk = copy.vm.runtime?.disk ?? [];
      await copy.vm.stop();
      assert.equal(copy.vm.state, 'stopped');
      assert.deepEqual(await world.leftovers(copy), []);
      for (const layer of disk) assert.ok((await stat(diskLayerPath(world.blobDirectory, layer))).size > 0);
      await copy.vm.start({ disk });
      assert.equal(await world.run(copy, 'cat /root/kept'), 'kept');
      await copy.vm.stop({ force: true });
      assert.deepEqual(await world.leftovers(copy), []);
    });

    test('that crashes is noticed, and nothing is left but its disk', async () => {
      const copy = await world.restore(snapshot);
      process.kill(copy.vm.runtime?.process.pid ?? 0, 'SIGKILL');
      await untilState(copy, 'crashed', crashNoticeMsMax);
      assert.equal(copy.vm.runtime, null);
      assert.deepEqual(await world.leftovers(copy), []);
      assert.ok(
        copy.events.some(
          (event) => event.kind === 'state' && event.state === 'crashed' && event.reason !== null,
        ),
      );
      await rejects(copy.vm.agent(), 'vm_crashed');
    });

    test('that crashes during a snapshot says so', async () => {
      const copy = await world.restore(snapshot);
      const taking = world.snapshot(copy, { resume: true });
      process.kill(copy.vm.runtime?.process.pid ?? 0, 'SIGKILL');
      await rejects(taking, 'vm_crashed');
      assert.equal(copy.vm.state, 'crashed');
      assert.deepEqual(await world.leftovers(copy), []);
    });

    test('whose guest panics has crashed, and its console says why', async () => {
      const copy = await world.restore(snapshot);
      const agent = await copy.vm.agent();
      await agent.startDetached({
        argv: ['/bin/sh', '-c', 'echo 1 > /proc/sys/kernel/printk; echo c > /proc/sysrq-trigger'],
      });
      await untilState(copy, 'crashed', PANIC_NOTICE_MS_MAX);
      assert.match(fromUtf8Lossy(await copy.vm.console()), /panic/i);
      assert.deepEqual(await world.leftovers(copy), []);
    });

    test('that is adopted by a new daemon is the same VM', async () => {
      const first = await world.restore(snapshot);
      const taken = await world.snapshot(first, { resume: true });
      const copy = await world.adopt(first);
      assert.equal(copy.vm.state, 'running');
      assert.deepEqual(copy.vm.runtime?.disk.slice(0, -1), taken.disk);
      await assertWorks(world, copy);
      const again = await world.snapshot(copy, { resume: true });
      const later = await world.restore(again);
      await assertWorks(world, later);
      await later.vm.stop({ force: true });
      process.kill(copy.vm.runtime?.process.pid ?? 0, 'SIGKILL');
      await untilState(copy, 'crashed', crashNoticeMsMax);
      assert.deepEqual(await world.leftovers(copy), []);
    });

    test('that is gone when a new daemon looks for it leaves nothing', async () => {
      const copy = await world.restore(snapshot);
      const { runtime } = copy.vm;
      assert.ok(runtime !== null);
      await world.letGo(copy);
      process.kill(runtime.process.pid, 'SIGKILL');
      const isGone = async (): Promise<boolean> => !(await world.env.processes.isAlive(runtime.process));
      await eventually(isGone, 'its process is gone');
      await rejects(world.backend.adopt(copy.vm.id, copy.vm.config, copy.places, runtime), 'vm_crashed');
      assert.deepEqual(await world.leftovers(copy), []);
    });

    test('that nobody knows is an orphan, and is removed', async () => {
      const copy = await world.restore(snapshot);
      await world.letGo(copy);
      await world.backend.removeOrphan(copy.places.runDirectory);
      assert.deepEqual(await world.leftovers(copy), []);
    });
  });
}

/** A VM whose clock is right, of those that `act` sets the clock of. @throws AssertionError when none is. */
async function untilClockIsRight(act: (isFirst: boolean) => Promise<VmInWorld>): Promise<VmInWorld> {
  for (let tries = 1; ; tries += 1) {
    const vm = await act(tries === 1);
    if (await isClockRight(vm)) return vm;
    assert.ok(tries < CLOCK_TRIES_MAX, `the clock was wrong ${tries} times`);
  }
}

/** Within the time that the question took. */
async function isClockRight({ vm }: VmInWorld): Promise<boolean> {
  const agent = await vm.agent();
  const askedMs = Date.now();
  const { unixMs } = await agent.health();
  return unixMs > askedMs - CLOCK_ERROR_MS_MAX && unixMs < Date.now() + CLOCK_ERROR_MS_MAX;
}

async function pausedAndResumed(paused: VmInWorld): Promise<VmInWorld> {
  await paused.vm.pause();
  await paused.vm.resume();
  return paused;
}

async function rejects(call: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isKelpieError(error, ...codes), `${codes.join(' or ')} was expected, not ${String(error)}`);
    return true;
  });
}
