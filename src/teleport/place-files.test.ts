import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultyEnv } from '../../test/support/faulty-env.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { StoreMapBuilder } from '../store/packages/store-map-builder.ts';
import { PlaceFiles } from './place-files.ts';
import type { Env } from '../env/env.ts';
import type { FrameInfo, StoreMap } from '../store/packages/store-map.ts';

const file = '00000000-0000-4000-8000-000000000001';
const frame: FrameInfo = {
  pack: { session: '00000000-0000-4000-8000-00000000000a', number: 3 },
  number: 0,
  offset: 64,
  storedBytes: 500,
  rawBytes: 8192,
  codec: 'zstd',
  sha256: 'ab'.repeat(32),
};

function places(firstPage: number): StoreMap {
  const builder = new StoreMapBuilder(100);
  builder.append(firstPage, 2, builder.frame(frame), 0);
  return builder.finish();
}

interface Told {
  readonly events: unknown[];
}

async function withBook(
  act: (book: PlaceFiles, told: Told, directory: string, env: Env) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'kelpie-places-'));
  const env = createNodeEnv();
  const events: unknown[] = [];
  const log = {
    error: (fields: Readonly<Record<string, unknown>>): void => void events.push(fields['event']),
  };
  try {
    await act(new PlaceFiles(env, `${root}/places/store`, log), { events }, `${root}/places/store`, env);
  } finally {
    await rm(root, { recursive: true });
  }
}

test('places are remembered for each file, and replaced', async () => {
  await withBook(async (book, { events }, directory) => {
    assert.equal(await book.of(file), null);
    await book.set(file, places(5));
    await book.set(file, places(7));
    const found = await book.of(file);
    assert.deepEqual([...(found?.runs() ?? [])], [...places(7).runs()]);
    assert.deepEqual(found?.frames, [frame]);
    assert.equal(await book.of(file.replace('1', '2')), null);
    assert.deepEqual(await readdir(directory), [`${file}.map`]);
    assert.deepEqual(events, []);
  });
});

test('what was cut or damaged is not known, and said in the log', async () => {
  await withBook(async (book, { events }, directory) => {
    const path = `${directory}/${file}.map`;
    await book.set(file, places(5));
    const whole = new Uint8Array(await readFile(path));
    for (const [index, byte] of whole.entries()) {
      const flipped = whole.slice();
      flipped[index] = byte ^ 4;
      await writeFile(path, flipped);
      assert.equal(await book.of(file), null);
      await writeFile(path, whole.subarray(0, index));
      assert.equal(await book.of(file), null);
    }
    assert.deepEqual(new Set(events), new Set(['places-unreadable']));
    await book.set(file, places(5));
    assert.notEqual(await book.of(file), null);
  });
});

test('what a publish has settled is synced, file and name', async () => {
  await withBook(async (_, { events }, directory, env) => {
    const { env: watched, calls } = faultyEnv(env, {});
    const book = new PlaceFiles(watched, directory, { error: () => void events.push('error') });
    await book.set(file, places(5));
    assert.ok(!calls.some(({ act }) => /sync/i.test(act)));
    await book.settle([file]);
    assert.deepEqual(
      calls.filter(({ act }) => /sync/i.test(act)).map(({ act }) => act),
      ['file.sync', 'files.syncDirectory'],
    );
    await book.settle([file.replace('1', '2')]);
    assert.deepEqual(events, [], 'one that was too long to be kept is none');
  });
});

test('a full disk costs the note, not the transfer', async () => {
  await withBook(async (_, __, directory, env) => {
    const events: unknown[] = [];
    const { env: full, injected } = faultyEnv(env, {
      rules: [{ act: 'file.write', after: 1, fault: { errno: 'ENOSPC' } }],
    });
    const book = new PlaceFiles(full, directory, { error: (fields) => void events.push(fields['event']) });
    await book.set(file, places(5));
    await book.set(file, places(7));
    assert.equal(injected.length, 1);
    assert.deepEqual(events, ['places-not-kept']);
    assert.deepEqual([...((await book.of(file))?.runs() ?? [])], [...places(5).runs()]);
  });
});
