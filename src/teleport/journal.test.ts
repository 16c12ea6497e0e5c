import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createNodeEnv } from '../env/node/env.ts';
import { HostPlaces } from './host-places.ts';
import { Journal } from './journal.ts';
import type { Env } from '../env/env.ts';
import type { Operation } from './operations.ts';

const entry: Operation = {
  kind: 'stop',
  id: '00000000-0000-4000-8000-000000000001',
  vmId: '00000000-0000-4000-8000-00000000000a',
  vmName: 'dev',
  startedAtUnixMs: 1,
};

async function withHome(act: (env: Env, places: HostPlaces) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-journal-'));
  try {
    const places = new HostPlaces(home);
    await mkdir(places.operationsDirectory);
    await act(createNodeEnv(), places);
  } finally {
    await rm(home, { recursive: true });
  }
}

test('whoever looks while an entry is written does not take its file away', async () => {
  await withHome(async (env, places) => {
    const onlooker = new Journal(env, places);
    const { files } = env;
    let looks = 0;
    const rename: typeof files.rename = async (from, to) => {
      looks += 1;
      assert.deepEqual(await onlooker.readAll(), { entries: [], damaged: [] });
      await files.rename(from, to);
    };
    await new Journal({ ...env, files: { ...files, rename } }, places).begin(entry);
    assert.equal(looks, 1);
    assert.deepEqual(await onlooker.readAll(), { entries: [entry], damaged: [] });
  });
});

test('an operation that ends while it is looked at is neither an entry nor a damaged one', async () => {
  await withHome(async (env, places) => {
    const journal = new Journal(env, places);
    await journal.begin(entry);
    const { files } = env;
    const list: typeof files.list = async (path) => {
      const names = await files.list(path);
      await journal.remove(entry);
      return names;
    };
    const found = await new Journal({ ...env, files: { ...files, list } }, places).readAll();
    assert.deepEqual(found, { entries: [], damaged: [] });
  });
});

test('an entry that cannot be understood is told and stays; what a crash cut is swept', async () => {
  await withHome(async (env, places) => {
    const journal = new Journal(env, places);
    await journal.begin(entry);
    const other = places.operation('00000000-0000-4000-8000-000000000002');
    await writeFile(other, '{}');
    await writeFile(`${other}.new`, '{"ki');
    await journal.sweep();
    const { entries, damaged } = await journal.readAll();
    assert.deepEqual(entries, [entry]);
    assert.deepEqual(
      damaged.map(({ path }) => path),
      [other],
    );
    assert.equal((await readdir(places.operationsDirectory)).length, 2);
  });
});
