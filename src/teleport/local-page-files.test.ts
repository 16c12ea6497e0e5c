import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultyEnv } from '../../test/support/faulty-env.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { StoreMapBuilder } from '../store/packages/store-map-builder.ts';
import { HostPlaces } from './host-places.ts';
import { LocalPagesOfStore } from './local-page-files.ts';
import { placesIn } from './place-files.ts';
import type { StoreMap } from '../store/packages/store-map.ts';
import type { TeleportHost } from './teleport-host.ts';

const storeId = '00000000-0000-4000-8000-0000000000aa';
const fileIds = [1, 2, 3, 4].map((number) => `00000000-0000-4000-8000-00000000000${number}`);
const [memory = '', layer = '', gone = '', strange = ''] = fileIds;

const store = { id: storeId, url: 's3://bucket/team' };

type LocalHost = Pick<TeleportHost, 'env' | 'places' | 'log'>;

function somePlaces(): StoreMap {
  const builder = new StoreMapBuilder(100);
  const pack = { session: '00000000-0000-4000-8000-00000000000a', number: 3 };
  const frame = builder.frame({
    ...{ pack, number: 0, offset: 64, storedBytes: 500, rawBytes: 2 * PAGE_BYTES },
    ...{ codec: 'zstd', sha256: 'ab'.repeat(32) },
  });
  builder.append(5, 2, frame, 0);
  return builder.finish();
}

/** A host with a page file, a layer, and a note of a file that is gone; the notes are older the later their file comes in `fileIds`. */
async function withHost(act: (host: LocalHost, events: unknown[]) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-local-pages-'));
  const events: unknown[] = [];
  const tell = (fields: Readonly<Record<string, unknown>>): void => void events.push(fields['event']);
  const host = {
    env: createNodeEnv(),
    places: new HostPlaces(home),
    log: { info: tell, error: tell },
  };
  try {
    await mkdir(host.places.blobDirectory);
    await writeFile(`${host.places.blobDirectory}/${memory}.pages`, new Uint8Array(PAGE_BYTES).fill(7));
    await writeFile(`${host.places.blobDirectory}/${layer}.qcow2`, new Uint8Array(PAGE_BYTES).fill(8));
    await writeFile(`${host.places.blobDirectory}/${strange}.pages.part`, 'not whole');
    for (const [age, file] of fileIds.entries()) {
      await placesIn(host, storeId).set(file, somePlaces());
      await utimes(noteOf(host, file), 1000 - age, 1000 - age);
    }
    await act(host, events);
  } finally {
    await rm(home, { recursive: true });
  }
}

function noteOf(host: LocalHost, file: string): string {
  return `${host.places.places(storeId)}/${file}.map`;
}

async function filesOf(host: LocalHost): Promise<readonly string[]> {
  return (await Array.fromAsync(new LocalPagesOfStore(host, store).places())).map(({ file }) => file);
}

test('files that are here and in the store are named, those that were written down last first', async () => {
  await withHost(async (host, events) => {
    const local = new LocalPagesOfStore(host, store);
    const named = await Array.fromAsync(local.places());
    assert.deepEqual(
      named.map(({ file }) => file),
      [memory, layer],
    );
    assert.deepEqual([...(named[0]?.places.runs() ?? [])], [...somePlaces().runs()]);
    const files = local.open();
    const pages = new Uint8Array(3 * PAGE_BYTES);
    await files.read(
      [
        { pageFile: layer, sourcePage: 0, count: 2 },
        { pageFile: memory, sourcePage: 0, count: 1 },
      ],
      pages,
    );
    await files.close();
    assert.deepEqual([pages[0], pages[PAGE_BYTES], pages[2 * PAGE_BYTES]], [8, 0, 7]);
    await utimes(noteOf(host, layer), 2000, 2000);
    assert.deepEqual(await filesOf(host), [layer, memory]);
    assert.deepEqual(events, []);
  });
});

test('of another store, and of a host that has none, there is nothing', async () => {
  await withHost(async (host, events) => {
    const other = new LocalPagesOfStore(host, { ...store, id: gone });
    assert.deepEqual(await Array.fromAsync(other.places()), []);
    await rm(host.places.blobDirectory, { recursive: true });
    assert.deepEqual(await filesOf(host), []);
    assert.deepEqual(events, []);
  });
});

test('a store on the same disk is read, one that is mounted from elsewhere is not where that can be helped', async () => {
  await withHost(async (host, events) => {
    const ofStoreAt = async (url: string): Promise<number> =>
      (await Array.fromAsync(new LocalPagesOfStore(host, { ...store, url }).places())).length;
    const { home } = host.places;
    assert.deepEqual([await ofStoreAt(home), await ofStoreAt(`file://${home}`)], [0, 0]);
    // A file system of its own on every machine.
    assert.equal(await ofStoreAt('/dev'), 2);
    assert.deepEqual(events, []);
    assert.equal(await ofStoreAt(`${home}/gone`), 0);
    assert.deepEqual(events, ['local-pages-not-looked-up']);
  });
});

test('notes that are damaged, too many to read, or that the disk does not give cost bytes only', async () => {
  await withHost(async (host, events) => {
    await truncate(noteOf(host, memory), 20);
    await utimes(noteOf(host, memory), 3000, 3000);
    assert.deepEqual(await filesOf(host), [layer]);
    assert.deepEqual(events, ['places-unreadable']);
    await truncate(noteOf(host, memory), 17 * MIB);
    await utimes(noteOf(host, memory), 3000, 3000);
    assert.deepEqual(await filesOf(host), []);
    await rm(noteOf(host, memory));
    const rules = [{ act: 'files.readFile', fault: { errno: 'EIO' } }] as const;
    const { env } = faultyEnv(host.env, { rules });
    assert.deepEqual(await filesOf({ ...host, env }), []);
    assert.deepEqual(events.slice(1), ['local-pages-not-looked-up']);
  });
});

test('what was used and what could not be is told in the log', async () => {
  await withHost(async (host, events) => {
    const local = new LocalPagesOfStore(host, store);
    local.used({ item: 'memory', usedBytes: 0, doubtedFrames: 0, cause: null });
    assert.deepEqual(events, []);
    local.used({ item: 'memory', usedBytes: 4096, doubtedFrames: 2, cause: null });
    assert.deepEqual(events, ['local-pages-used', 'local-pages-doubted']);
  });
});
