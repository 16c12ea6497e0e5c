/**
 * A model of what shares a store: publishers that refer to packs of others, copiers, sweeps, and somebody who removes packages, each of which may be killed at any
 * request. Their requests are interleaved by lot, thousands of times; after every one all published manifests have all their packs.
 */
import assert from 'node:assert/strict';
import { utf8 } from '../../src/base/bytes.ts';
import { canonicalJson } from '../../src/base/canonical-json.ts';
import { isKelpieError } from '../../src/base/errors.ts';
import { Interleaving } from './interleaving.ts';
import { memoryOf, memoryStore, packagesEnv, tinyContents } from './packages.ts';
import { sampleSession } from './sample-maps.ts';
import { writePackage } from './written-package.ts';
import type { WriterStore } from './written-package.ts';
import { ManualClock } from './manual-clock.ts';
import { listAll } from '../../src/store/objects/list-all.ts';
import { wrapObjects } from '../../src/store/objects/wrappers/wrap-objects.ts';
import { MemoryObjects } from '../../src/store/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { plainSealing } from '../../src/store/packages/sealing.ts';
import { SWEEPS_PREFIX } from '../../src/store/packages/condemned-packs.ts';
import { collectGarbage } from '../../src/store/packages/collect.ts';
import { copyPackage } from '../../src/store/packages/copy-package.ts';
import { comparePacks } from '../../src/store/packages/frame-table.ts';
import { parseEnvelope } from '../../src/store/packages/manifest.ts';
import { PACKAGES_PREFIX, packageIdOf, packageKey } from '../../src/store/packages/package-key.ts';
import { PACKS_PREFIX, packKey, packText, parsePackText } from '../../src/store/packages/pack-name.ts';
import type { PackName } from '../../src/store/packages/pack-name.ts';
import { PublishPin } from '../../src/store/packages/publish-pin.ts';

const clock = new ManualClock();
const env = { ...packagesEnv, clock };

interface PublishPlan {
  readonly session: string;
  /** What the publisher's notes say may be there. */
  readonly old: readonly PackName[];
  readonly ownPacks: number;
}

type Publisher = (objects: ObjectStore, plan: PublishPlan) => Promise<void>;

async function putPacks(
  objects: ObjectStore,
  { session, ownPacks }: PublishPlan,
): Promise<readonly PackName[]> {
  const own = Array.from({ length: ownPacks }, (_, number) => ({ session, number }));
  for (const pack of own) await objects.putIfAbsent(packKey(pack), utf8(packText(pack)));
  return own;
}

async function putManifest(
  objects: ObjectStore,
  own: readonly PackName[],
  others: readonly PackName[],
): Promise<void> {
  const packs = [...own, ...others.toSorted(comparePacks)].map(packText);
  const bytes = utf8(canonicalJson({ body: null, formatVersion: 2, ownPacks: own.length, packs }));
  await objects.putIfAbsent(packageKey(env.compute.sha256(bytes)), bytes);
}

const publish: Publisher = async (objects, plan) => {
  const { session, old } = plan;
  const pin = await PublishPin.put(env, objects, { session, hostName: 'model', packs: old });
  const own = await putPacks(objects, plan);
  pin.requireLive();
  await putManifest(
    objects,
    own,
    old.filter((pack) => pin.kept.has(packText(pack))),
  );
  await pin.remove();
};

/** Looks before it says what it wants. */
const publishCarelessly: Publisher = async (objects, plan) => {
  const kept: PackName[] = [];
  for (const pack of plan.old) if ((await objects.head(packKey(pack))) !== null) kept.push(pack);
  const pin = await PublishPin.put(env, objects, {
    session: plan.session,
    hostName: 'model',
    packs: plan.old,
  });
  const own = await putPacks(objects, plan);
  await putManifest(objects, own, kept);
  await pin.remove();
};

/** Does not say what it wants. */
const publishBlindly: Publisher = async (objects, plan) => {
  const { session, old } = plan;
  const pin = await PublishPin.put(env, objects, { session, hostName: 'model', packs: [] });
  const kept: PackName[] = [];
  for (const pack of old) if ((await objects.head(packKey(pack))) !== null) kept.push(pack);
  const own = await putPacks(objects, plan);
  await putManifest(objects, own, kept);
  await pin.remove();
};

/** Does not ask what a sweep is about to remove. */
const publishRashly: Publisher = async (objects, plan) => {
  const { session, old } = plan;
  const pin = await PublishPin.put(env, objects, { session, hostName: 'model', packs: old });
  const kept: PackName[] = [];
  for (const pack of old) if ((await objects.head(packKey(pack))) !== null) kept.push(pack);
  const own = await putPacks(objects, plan);
  await putManifest(objects, own, kept);
  await pin.remove();
};

/** A package of another store, which was in this one before: its packs come back under the names that they had. */
interface Elsewhere {
  readonly store: WriterStore;
  readonly id: string;
}

const elsewhere: Promise<Elsewhere> = (async () => {
  const store = memoryStore();
  const contents = { ...tinyContents, memory: memoryOf([1, 2, 3]) };
  const options = { session: sampleSession(50), pagesPerFrame: 1, framesPerPack: 1 };
  return { store, id: await writePackage(packagesEnv, store, contents, options) };
})();

/** Gives up while its packs are condemned. */
async function copy(objects: ObjectStore): Promise<void> {
  const { store, id } = await elsewhere;
  try {
    await copyPackage(env, store, { objects, sealing: plainSealing, hostName: 'model' }, id);
  } catch (error) {
    if (!isKelpieError(error, 'store_conflict')) throw error;
  }
}

/** Does not ask what is condemned. */
async function copyRashly(objects: ObjectStore): Promise<void> {
  const blind: ObjectStore = {
    ...wrapObjects(objects, async (_call, run) => await run()),
    list: async (options) =>
      options.prefix === SWEEPS_PREFIX ? { objects: [], next: null } : await objects.list(options),
  };
  await copy(blind);
}

async function removeSome(objects: ObjectStore, chance: () => boolean): Promise<void> {
  for await (const { key } of listAll(objects, PACKAGES_PREFIX)) if (chance()) await objects.delete(key);
}

async function sweep(objects: ObjectStore): Promise<void> {
  await collectGarbage(env, objects, { graceMs: 0, hostName: 'model' });
}

/** @throws AssertionError when a published package lacks a pack. */
async function requireWhole(objects: ObjectStore): Promise<void> {
  const keys = new Set<string>();
  for await (const { key } of listAll(objects, '')) keys.add(key);
  for (const key of keys) {
    if (!key.startsWith(PACKAGES_PREFIX)) continue;
    const bytes = (await objects.get(key))?.bytes ?? utf8('');
    for (const pack of parseEnvelope(env.compute, packageIdOf(key) ?? '', bytes).packs)
      assert.ok(keys.has(packKey(pack)), `${key} lacks ${packText(pack)}`);
  }
}

/** One world, in the order that the seed draws. @throws AssertionError when a published package lacks a pack. */
export async function runSchedule(
  seed: number,
  { publish: publisher, copy: copier }: Manners,
): Promise<void> {
  const objects = new MemoryObjects(env);
  const world = new Interleaving(seed);
  const { random } = world;
  const known: PackName[] = [];
  for (let session = 0; session < 2; session += 1) {
    const plan = { session: sampleSession(session), old: [...known], ownPacks: 2 };
    await publish(objects, plan);
    for await (const { key } of listAll(objects, `${PACKS_PREFIX}${plan.session}/`))
      known.push(parsePackText(key.slice(PACKS_PREFIX.length)) ?? assert.fail('a pack has a name'));
  }
  if (random.chance(0.5)) await copy(objects);
  const actors: string[] = [];
  const begin = (name: string, act: (gated: ObjectStore) => Promise<void>): void => {
    actors.push(name);
    world.begin(name, objects, act);
  };
  for (let index = 0; index < 3; index += 1) {
    const old = known.filter(() => random.chance(0.6));
    const plan = { session: sampleSession(10 + index), old, ownPacks: 1 + random.below(2) };
    begin(`publisher ${index}`, async (gated) => await publisher(gated, plan));
  }
  const copiers = random.below(3);
  for (let index = 0; index < copiers; index += 1) begin(`copier ${index}`, copier);
  begin('remover', async (gated) => await removeSome(gated, () => random.chance(0.7)));
  for (let index = 0; index < 2; index += 1) begin(`sweep ${index}`, sweep);
  await world.run(async (act) => {
    if (random.chance(0.01)) world.kill(actors[random.below(actors.length)] ?? '');
    if (act === 'delete' || act === 'putIfAbsent') await requireWhole(objects);
  });
  // Whatever was killed: a sweep later on is not in its way, and leaves only what is needed.
  await sweep(objects);
  await requireWhole(objects);
}

/** How those who share the store go about it. */
export interface Manners {
  readonly publish: Publisher;
  readonly copy: (objects: ObjectStore) => Promise<void>;
}

const right: Manners = { publish, copy };

/** One mistake each: the model must find them. */
export const mistaken: ReadonlyMap<string, Manners> = new Map([
  ['a publisher that looks before it pins', { ...right, publish: publishCarelessly }],
  ['a publisher that does not pin', { ...right, publish: publishBlindly }],
  ['a publisher that does not ask what is condemned', { ...right, publish: publishRashly }],
  ['a copier that does not ask what is condemned', { ...right, copy: copyRashly }],
]);

/** @throws Error that names the seed. */
export async function runSchedules(firstSeed: number, count: number): Promise<void> {
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    try {
      await runSchedule(seed, right);
    } catch (error) {
      throw new Error(`the schedule of seed ${seed} broke a package`, { cause: error });
    }
  }
}
