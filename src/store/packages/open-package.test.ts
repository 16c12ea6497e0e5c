import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import { collect } from '../../../test/support/collect.ts';
import {
  memoryOf,
  memoryStore,
  packagesEnv,
  readEverything,
  tinyContents,
} from '../../../test/support/packages.ts';
import { patternBytes } from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { writePackage } from '../../../test/support/written-package.ts';
import { StoreFigures, measured } from '../objects/wrappers/measured.ts';
import { openPackage } from './open-package.ts';
import { packageKey } from './package-key.ts';
import { packKey } from './pack-name.ts';
import { READ_PAGES_MAX, readPageRange } from './read-range.ts';
import { StoreMapBuilder } from './store-map-builder.ts';
import type { StoreMap } from './store-map.ts';

const other = '00000000-0000-4000-8000-0000000000f2';

test('what was published is what is read', async () => {
  const store = memoryStore();
  const id = await writePackage(packagesEnv, store, tinyContents);
  const read = await readEverything(store, id);
  for (const name of ['memory', 'disk', 'deviceState'] as const)
    assert.ok(Buffer.compare(read[name], tinyContents[name]) === 0, name);
  const { package: found } = await openPackage(packagesEnv, store, id);
  assert.equal(found.id, id);
  assert.equal(found.isEncrypted, false);
  assert.equal(found.signedBy, null);
});

test('what is no package is not found, whatever it is called', async () => {
  const store = memoryStore();
  for (const id of ['0'.repeat(64), '', '..', '../packs', 'A'.repeat(64), 'store.json'])
    await refusedAs(openPackage(packagesEnv, store, id), 'package_not_found');
});

test('a long stream comes in order, through several packs', async () => {
  const store = memoryStore();
  const deviceState = patternBytes(37 * MIB + 5, 9);
  const id = await writePackage(packagesEnv, store, { ...tinyContents, deviceState });
  const opened = await openPackage(packagesEnv, store, id);
  const seen: number[] = [];
  const onProgress = ({ doneBytes }: { readonly doneBytes: number }): void => void seen.push(doneBytes);
  const read = Buffer.concat(await collect(opened.deviceState({ onProgress })));
  assert.ok(read.equals(deviceState));
  assert.equal(seen.at(-1), deviceState.byteLength);
  assert.ok(seen.length > 2);
  await refusedAs(collect(opened.imageFile('rootfs')), 'not_found');
});

test('a reader that stops in the middle of a stream leaves nothing under way', async () => {
  const store = memoryStore();
  const id = await writePackage(packagesEnv, store, {
    ...tinyContents,
    deviceState: patternBytes(37 * MIB, 9),
  });
  const opened = await openPackage(packagesEnv, store, id);
  for await (const chunk of opened.deviceState()) {
    assert.ok(chunk.byteLength > 0);
    break;
  }
  const controller = new AbortController();
  const stream = opened.deviceState({ signal: controller.signal, onProgress: () => controller.abort() });
  await refusedAs(collect(stream), 'canceled');
});

test('any page range is read with one or two requests', async () => {
  const memory = memoryOf(
    Array.from({ length: 2048 }, (_, page) => page).filter((page) => page % 3 !== 0),
    4,
    8,
  );
  const plain = memoryStore();
  const id = await writePackage(packagesEnv, plain, { ...tinyContents, memory });
  const figures = new StoreFigures();
  const store = { ...plain, objects: measured(plain.objects, packagesEnv.clock, figures) };
  const opened = await openPackage(packagesEnv, store, id);
  const map = await opened.map('memory');
  for (const [firstPage, count] of [
    [0, 1],
    [1, 1],
    [0, 1024],
    [1000, 700],
    [2047, 1],
    [2045, 3],
    [511, 2],
  ] as const) {
    const before = figures.of('get').requests;
    const pages = await readPageRange(opened.reader, map, firstPage, count);
    const wanted = memory.subarray(firstPage * PAGE_BYTES, (firstPage + count) * PAGE_BYTES);
    assert.ok(Buffer.compare(pages, wanted) === 0, `${count} pages from ${firstPage}`);
    assert.ok(figures.of('get').requests - before <= 2);
  }
  await assert.rejects(readPageRange(opened.reader, map, 0, READ_PAGES_MAX + 1), /bounded/);
  await assert.rejects(readPageRange(opened.reader, map, 2000, 100), /inside/);
});

test('a map of another size than the VM is refused before anything is written', async () => {
  const store = memoryStore();
  const longer = (map: StoreMap): StoreMap => new StoreMapBuilder(map.pageCount + 1).finish();
  const id = await writePackage(packagesEnv, store, tinyContents, { lieOfMemory: longer });
  await refusedAs(readEverything(store, id), 'package_corrupt');
});

test('a map that refers to a pack which the manifest does not name is refused', async () => {
  const store = memoryStore();
  await writePackage(packagesEnv, store, { ...tinyContents, memory: memoryOf([9]) }, { session: other });
  const borrowed = (map: StoreMap): StoreMap => {
    const [run] = map.runs();
    const [frame] = map.frames;
    assert.ok(run !== undefined && frame !== undefined);
    const builder = new StoreMapBuilder(map.pageCount);
    const pack = { session: other, number: 0 };
    builder.append(run.firstPage, run.count, builder.frame({ ...frame, pack }), run.framePage);
    return builder.finish();
  };
  const id = await writePackage(packagesEnv, store, tinyContents, { lieOfMemory: borrowed });
  await refusedAs(readEverything(store, id), 'package_corrupt');
  await assert.rejects(readEverything(store, id), /does not name/);
});

test('a missing pack is told from a package that was removed meanwhile', async () => {
  const store = memoryStore();
  const session = '00000000-0000-4000-8000-0000000000f1';
  const id = await writePackage(packagesEnv, store, tinyContents, { session });
  const opened = await openPackage(packagesEnv, store, id);
  await store.objects.delete(packKey({ session, number: 0 }));
  await refusedAs(opened.map('memory'), 'package_corrupt');
  await store.objects.delete(packageKey(id));
  await refusedAs(opened.map('memory'), 'package_not_found');
});
