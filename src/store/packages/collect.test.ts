import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { HOUR_MS } from '../../base/units.ts';
import { memoryOf, packagesEnv, readEverything, tinyContents } from '../../../test/support/packages.ts';
import { quickCompute } from '../../../test/support/quick-compute.ts';
import { sampleSession } from '../../../test/support/sample-maps.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { listAll } from '../objects/list-all.ts';
import { MemoryObjects } from '../objects/memory/memory-objects.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { wrapObjects } from '../objects/wrappers/wrap-objects.ts';
import { collectGarbage } from './collect.ts';
import type { CollectOptions, CollectReport } from './collect.ts';
import { condemnedKey } from './condemned-packs.ts';
import { PIN_MS_MAX, SWEEP_MS_MAX, SWEEP_STALE_MS } from './limits.ts';
import { packageKey } from './package-key.ts';
import { packKey } from './pack-name.ts';
import { encodePin, pinKey } from './pin.ts';
import { PublishPin } from './publish-pin.ts';
import { plainSealing } from './sealing.ts';

/** A store whose clock stands where the test puts it. */
class World {
  readonly clock = new ManualClock();
  readonly env = { ...packagesEnv, clock: this.clock, compute: quickCompute() };
  readonly objects: ObjectStore = new MemoryObjects(this.env);
  readonly store = { objects: this.objects, sealing: plainSealing };

  async publish(number: number): Promise<string> {
    const contents = { ...tinyContents, memory: memoryOf([1, 2, 3], number) };
    return await writePackage(this.env, this.store, contents, {
      session: sampleSession(number),
      pagesPerFrame: 1,
      framesPerPack: 2,
    });
  }

  async collect(options: Partial<CollectOptions> = {}): Promise<CollectReport> {
    return await collectGarbage(this.env, this.objects, { graceMs: 0, hostName: 'here', ...options });
  }

  async keys(prefix = ''): Promise<readonly string[]> {
    return (await Array.fromAsync(listAll(this.objects, prefix))).map(({ key }) => key);
  }
}

test('what no package needs goes, and what one needs stays', async () => {
  const world = new World();
  const [gone, kept] = [await world.publish(1), await world.publish(2)];
  const before = await world.keys('packs/');
  await world.objects.delete(packageKey(gone));
  const report = await world.collect();
  const after = await world.keys('packs/');
  assert.ok(report.removedPacks > 1);
  assert.equal(before.length - after.length, report.removedPacks);
  assert.equal(report.packs, before.length);
  assert.equal(report.packages, 1);
  assert.ok(after.every((key) => key.includes(sampleSession(2))));
  await readEverything(world.store, kept);
  assert.deepEqual(await world.keys('sweeps/'), []);
  assert.equal((await world.collect()).removedPacks, 0);
  assert.deepEqual(await new World().collect(), {
    packages: 0,
    packs: 0,
    packBytes: 0,
    removedPacks: 0,
    removedBytes: 0,
    youngPacks: 0,
    youngBytes: 0,
    removedLeftovers: 0,
  });
});

test('a dry run says what would go, and writes nothing', async () => {
  const world = new World();
  await world.objects.delete(packageKey(await world.publish(1)));
  const keys = await world.keys();
  const readOnly = wrapObjects(world.objects, async ({ act }, run) => {
    assert.ok(['get', 'head', 'list'].includes(act), act);
    return await run();
  });
  const dry = await collectGarbage(world.env, readOnly, { graceMs: 0, hostName: 'here', isDryRun: true });
  assert.deepEqual(await world.keys(), keys);
  const { removedPacks, removedBytes } = await world.collect();
  assert.deepEqual([dry.removedPacks, dry.removedBytes], [removedPacks, removedBytes]);
});

test('what is younger than the grace period stays, by the clock of the store', async () => {
  const world = new World();
  await world.objects.delete(packageKey(await world.publish(1)));
  await world.clock.advance(HOUR_MS);
  const young = await world.collect({ graceMs: HOUR_MS + 1 });
  assert.equal(young.removedPacks, 0);
  assert.ok(young.youngPacks > 0 && young.youngBytes > 0);
  // This host's own clock is years ahead; it does not matter.
  const ahead = { wallMs: () => 1e12, wallNs: () => 0n, monotonicMs: () => 0, sleep: async () => undefined };
  const other = await collectGarbage({ ...world.env, clock: ahead }, world.objects, {
    graceMs: HOUR_MS + 1,
    hostName: 'here',
  });
  assert.equal(other.removedPacks, 0);
  assert.equal((await world.collect({ graceMs: HOUR_MS })).removedPacks, young.youngPacks);
});

test('a publish under way keeps its packs and those that it refers to; a dead one keeps nothing', async () => {
  const world = new World();
  await world.objects.delete(packageKey(await world.publish(1)));
  const old = { session: sampleSession(1), number: 0 };
  const pin = await PublishPin.put(world.env, world.objects, {
    session: sampleSession(7),
    hostName: 'x',
    packs: [old],
  });
  const own = packKey({ session: sampleSession(7), number: 0 });
  await world.objects.put(own, utf8('a pack'));
  assert.deepEqual([...pin.kept.keys()], [`${old.session}/0`]);
  await world.collect();
  assert.deepEqual(await world.keys('packs/'), [packKey(old), own].toSorted());
  await world.clock.advance(PIN_MS_MAX);
  const report = await world.collect();
  assert.equal(report.removedPacks, 2);
  assert.equal(report.removedLeftovers, 1);
  assert.deepEqual(await world.keys(), []);
  assert.throws(() => pin.requireLive(), /more than 24 h/);
});

test('a manifest or a pin that cannot be read stops the sweep before it removes anything', async () => {
  const world = new World();
  await world.objects.delete(packageKey(await world.publish(1)));
  const damaged = packageKey(await world.publish(2));
  const packs = await world.keys('packs/');
  await world.objects.put(damaged, utf8('{}'));
  await refusedAs(world.collect(), 'package_corrupt');
  await world.objects.put(damaged, utf8('{"formatVersion":3}'));
  await refusedAs(world.collect(), 'package_corrupt');
  await world.objects.delete(damaged);
  const pin = pinKey(sampleSession(5));
  await world.objects.put(pin, utf8('{}'));
  await refusedAs(world.collect(), 'package_corrupt');
  assert.deepEqual(await world.keys('packs/'), packs);
  await world.objects.delete(pin);
  await world.collect();
  assert.deepEqual(await world.keys('packs/'), []);
});

test('a sweep that is killed at any request is finished by a later one, and never in the way of a publish', async () => {
  for (let allowed = 0; ; allowed += 1) {
    const world = new World();
    const [gone, kept] = [await world.publish(1), await world.publish(2)];
    await world.objects.delete(packageKey(gone));
    let acts = 0;
    const killed = wrapObjects(world.objects, async (_call, run) => {
      acts += 1;
      return acts > allowed ? await new Promise<never>(() => {}) : await run();
    });
    const sweep = collectGarbage(world.env, killed, { graceMs: 0, hostName: 'killed' });
    const ended = { isDone: false };
    void sweep.then(() => (ended.isDone = true));
    for (let turns = 0; turns < 200 && !ended.isDone; turns += 1) await new Promise(setImmediate);
    await readEverything(world.store, kept);
    // What the dead sweep had condemned is not referred to; the rest is.
    const wanted = [0, 1, 2].map((number) => ({ session: sampleSession(1), number }));
    const pin = await PublishPin.put(world.env, world.objects, {
      session: sampleSession(9),
      hostName: 'x',
      packs: wanted,
    });
    const keys = await world.keys('packs/');
    for (const pack of pin.kept.keys()) assert.ok(keys.includes(`packs/${pack}`));
    await pin.remove();
    await world.clock.advance(SWEEP_STALE_MS);
    await world.collect({ graceMs: 10 * SWEEP_STALE_MS });
    const left = await world.keys('sweeps/');
    assert.deepEqual(left, []);
    await world.collect();
    assert.ok((await world.keys('packs/')).every((key) => key.includes(sampleSession(2))));
    await readEverything(world.store, kept);
    if (ended.isDone) {
      assert.ok(allowed > 10);
      return;
    }
  }
});

test('what a dead sweep had condemned is removed by the next, whatever its age, unless it is needed', async () => {
  const world = new World();
  const kept = await world.publish(2);
  await world.objects.delete(packageKey(await world.publish(1)));
  const packs = [1, 2].map((number) => ({ session: sampleSession(number), number: 0 }));
  const key = condemnedKey('00000000-0000-4000-8000-00000000dead');
  await world.objects.put(key, encodePin({ hostName: 'dead', packs, startedAtUnixMs: 0 }));
  await world.collect({ graceMs: HOUR_MS });
  assert.ok((await world.keys()).includes(key), 'one that may live is left alone');
  await world.clock.advance(SWEEP_STALE_MS);
  const report = await world.collect({ graceMs: 10 * SWEEP_STALE_MS });
  assert.equal(report.removedPacks, 1);
  assert.ok(!(await world.keys()).includes(key));
  await readEverything(world.store, kept);
});

test('a sweep that has taken too long, or was taken for dead, removes nothing more', async () => {
  const world = new World();
  await world.objects.delete(packageKey(await world.publish(1)));
  const packs = await world.keys('packs/');
  const slow = wrapObjects(world.objects, async ({ act }, run) => {
    if (act === 'put') await world.clock.advance(SWEEP_MS_MAX / 2);
    return await run();
  });
  await refusedAs(collectGarbage(world.env, slow, { graceMs: 0, hostName: 'slow' }), 'timeout');
  assert.equal((await world.keys('sweeps/')).length, 2, 'what it had condemned stays so');
  const robbed: ObjectStore = {
    ...wrapObjects(world.objects, async (_call, run) => await run()),
    head: async (key) => (key.endsWith('condemned') ? null : await world.objects.head(key)),
  };
  await refusedAs(collectGarbage(world.env, robbed, { graceMs: 0, hostName: 'robbed' }), 'store_conflict');
  assert.deepEqual(await world.keys('packs/'), packs);
  await world.collect();
  assert.deepEqual(await world.keys('packs/'), []);
});

test('uploads that were never completed are dropped when they are old', async () => {
  const world = new World();
  await world.objects.startUpload('packs/unfinished', 5 * 1024 * 1024);
  await world.collect();
  assert.equal((await world.objects.listUploads({ prefix: '' })).uploads.length, 1);
  await world.clock.advance(PIN_MS_MAX);
  assert.equal((await world.collect()).removedLeftovers, 1);
  assert.equal((await world.objects.listUploads({ prefix: '' })).uploads.length, 0);
});

test('a store that does not take the removal is told, and the sweep can be repeated', async () => {
  const world = new World();
  await world.objects.delete(packageKey(await world.publish(1)));
  const refusing = wrapObjects(world.objects, async ({ act }, run) => {
    if (act === 'delete') throw new StoreTrouble('write_denied', 'this key may not delete.');
    return await run();
  });
  await refusedAs(collectGarbage(world.env, refusing, { graceMs: 0, hostName: 'x' }), 'store_not_writable');
  await world.collect();
  assert.deepEqual(await world.keys('packs/'), []);
});
