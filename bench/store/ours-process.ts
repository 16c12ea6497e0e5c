/**
 * One run of ours, in a process of its own: publishes A, publishes B beside it, restores A, and prints what it measured as JSON. Then C comes, which another
 * host has made of B: it is restored as on a host that has nothing, and on this one, which has A and B.
 *
 *     ours-process.ts '{"url":…,"isSealed":…,"images":{"a":…,"b":…},"directory":…}'
 *
 * Times begin when the program has started, as a daemon has, and its threads, as a teleport starts them before it pauses a VM; and when it is known
 * which pages are zeros, as a snapshot knows. Nothing else is known of B but that it came after A: every page of it is compared.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { OpenPageFiles } from '../../src/snapshot/open-page-files.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';
import { PageRunsBuilder } from '../../src/snapshot/page-runs.ts';
import { createPackageSealing } from '../../src/store/keys/package-sealing.ts';
import { openBareObjects, reliable } from '../../src/store/objects/open-objects.ts';
import { StoreFigures } from '../../src/store/objects/wrappers/measured.ts';
import { PackageStorage } from '../../src/store/package-storage.ts';
import { plainSealing } from '../../src/store/packages/sealing.ts';
import type { StoreMap } from '../../src/store/packages/store-map.ts';
import { ensureStoreRoot } from '../../src/store/packages/store-root.ts';
import type { LocalPageFiles, LocalPages, PackageSource } from '../../src/store/teleport-storage.ts';
import { sampleStoreKeys } from '../../test/support/sample-keys.ts';
import { sampleMetadata } from '../../test/support/sample-package.ts';
import { makeChangedImage } from './changed-image.ts';
import { requireEqual } from './peers.ts';
import { timed } from '../timed.ts';

const MB = 1_000_000;
const DEVICE_STATE_BYTES = 64 * 1024;
const DISK_MIB = 1;

const requestSchema = z.object({
  url: z.string(),
  isSealed: z.boolean(),
  images: z.object({ a: z.string(), b: z.string() }),
  directory: z.string(),
});

const { url, isSealed, images, directory } = requestSchema.parse(JSON.parse(process.argv[2] ?? ''));
const env = createNodeEnv();
const figures = new StoreFigures();
const objects = reliable(await openBareObjects(env, url), env, { figures });
const keys = { store: sampleStoreKeys(), signingKey: null, trusted: null };
const storage = new PackageStorage(
  env,
  {
    url,
    objects,
    sealing: isSealed ? createPackageSealing(env, keys) : plainSealing,
    ensureRoot: async () => await ensureStoreRoot(env, objects, null),
  },
  { hostArchitecture: 'x86_64', hostName: 'benchmark' },
);

/** What one host has and knows. */
interface Host {
  readonly places: PackageSource['places'];
  readonly known: Map<string, StoreMap>;
  readonly paths: Map<string, string>;
}

const here = makeHost();
const other = makeHost();
const disk: LocalPages = { map: PageMap.empty((DISK_MIB * MIB) / PAGE_BYTES), pathOf: () => '' };

env.compute.prepareFrames();
const memoryA = await lookThrough(here, images.a);
const memoryB = await lookThrough(here, images.b);
const a = await timed(async () => await publish(here, memoryA, null));
const firstRequests = requests();
const firstMb = moved('sentBytes');
const b = await timed(async () => await publish(here, memoryB, memoryA));
const secondMb = moved('sentBytes') - firstMb;
const targets = ['a', 'bare', 'back'].map((name) => join(directory, `restored-${name}.memory`));
const [targetA = '', targetBare = '', targetBack = ''] = targets;
const restored = await timed(async () => await restore(a.result, targetA));
const changed = join(directory, 'c.memory');
const c = await publishElsewhere(b.result, changed);
const beforeMb = moved('receivedBytes');
const bare = await timed(async () => await restore(c, targetBare));
const bareMb = moved('receivedBytes') - beforeMb;
const back = await timed(async () => await restore(c, targetBack, localPages(here)));
const answer = {
  firstMs: a.durationMs,
  firstMb,
  firstRequests,
  secondMs: b.durationMs,
  secondMb,
  restoreMs: restored.durationMs,
  bareMs: bare.durationMs,
  bareMb,
  backMs: back.durationMs,
  backMb: moved('receivedBytes') - beforeMb - bareMb,
  residentPeakMb: residentPeakMb(),
};
requireEqual(targetA, images.a, 'ours');
requireEqual(targetBare, changed, 'ours, with nothing here');
requireEqual(targetBack, changed, 'ours, with A and B here');
for (const path of [...targets, changed]) rmSync(path);
console.log(JSON.stringify(answer));
// Whatever the objects keep open would hold the process.
process.exit(0);

function makeHost(): Host {
  const known = new Map<string, StoreMap>();
  const places: PackageSource['places'] = {
    of: async (file) => known.get(file) ?? null,
    set: async (file, map) => void known.set(file, map),
    settle: async () => undefined,
  };
  return { places, known, paths: new Map() };
}

function localPages({ known, paths }: Host): LocalPageFiles {
  return {
    async *places() {
      for (const [file, places] of known) yield { file, places };
    },
    open: () => new OpenPageFiles(env.files, (file) => paths.get(file) ?? '', { zerosAfterEnd: true }),
    used: () => undefined,
  };
}

/** Another host fetches B, changes some pages, and publishes that as C, of which this one is left the image. */
async function publishElsewhere(packageB: string, imageC: string): Promise<string> {
  const opened = await storage.download(packageB);
  const fetched = await lookThrough(other, images.b);
  for (const file of fetched.map.pageFiles) other.known.set(file, await opened.map('memory'));
  makeChangedImage(images.b, imageC);
  return await publish(other, await lookThrough(other, imageC), fetched);
}

async function publish({ places }: Host, memory: LocalPages, before: LocalPages | null): Promise<string> {
  const { config } = sampleMetadata;
  const { id } = await storage.upload({
    metadata: {
      ...sampleMetadata,
      config: { ...config, memoryMib: (memory.map.pageCount * PAGE_BYTES) / MIB, diskMib: DISK_MIB },
    },
    deviceState: { sizeBytes: DEVICE_STATE_BYTES, bytes: () => deviceState() },
    memory,
    disk,
    base: before === null ? null : { memory: before, disk },
    imageFiles: [],
    places,
  });
  return id;
}

async function* deviceState(): AsyncGenerator<Bytes> {
  yield env.random.bytes(DEVICE_STATE_BYTES);
}

/** A snapshot knows its pages; an image on a disk must be looked through. */
async function lookThrough(host: Host, path: string): Promise<LocalPages> {
  const builder = new PageRunsBuilder();
  const file = await env.files.open(path, 'r');
  const { sizeBytes } = await file.stat();
  const chunk = new Uint8Array(MIB);
  for (let offset = 0; offset < sizeBytes; offset += chunk.byteLength) {
    await file.readBatch([{ offset, length: chunk.byteLength }], chunk);
    for (let page = 0; page < chunk.byteLength; page += PAGE_BYTES)
      if (!env.compute.isZero(chunk.subarray(page, page + PAGE_BYTES)))
        builder.append((offset + page) / PAGE_BYTES);
  }
  await file.close();
  const id = env.random.uuid();
  host.paths.set(id, path);
  const map = PageMap.identity(sizeBytes / PAGE_BYTES, id, builder.finish());
  return { map, pathOf: () => path };
}

async function restore(id: string, path: string, local?: LocalPageFiles): Promise<void> {
  const opened = await storage.downloadForRestore(id);
  const file = await env.files.open(path, 'w');
  await file.truncate(opened.package.metadata.config.memoryMib * MIB);
  await opened.fetchPages('memory', file, local === undefined ? {} : { local });
  await file.close();
}

function requests(): number {
  return [...figures.byAct.values()].reduce((sum, act) => sum + act.requests, 0);
}

function moved(way: 'sentBytes' | 'receivedBytes'): number {
  return [...figures.byAct.values()].reduce((sum, act) => sum + act[way], 0) / MB;
}

function residentPeakMb(): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (Number(kib) * 1024) / MB;
}
