import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MIB } from '../base/units.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { SystemError } from '../env/system-error.ts';
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

test('entries come oldest first, and those of one moment by their ids', async () => {
  await withHome(async (env, places) => {
    const journal = new Journal(env, places);
    const id = (last: number): string => entry.id.slice(0, -1) + String(last);
    const entries = [
      { ...entry, id: id(4), startedAtUnixMs: 1 },
      { ...entry, id: id(2), startedAtUnixMs: 2 },
      { ...entry, id: id(3), startedAtUnixMs: 2 },
      { ...entry, id: id(1), startedAtUnixMs: 3 },
    ];
    for (const order of [entries, entries.toReversed()]) {
      for (const one of order) await journal.begin(one);
      const list: Env['files']['list'] = async () => order.map((one) => `${one.id}.json`);
      const found = await new Journal({ ...env, files: { ...env.files, list } }, places).readAll();
      assert.deepEqual(found.entries, entries);
    }
  });
});

test('an operation whose entry cannot be made durable leaves none, since nothing of it was done', async () => {
  await withHome(async (env, places) => {
    const { files } = env;
    let isBroken = true;
    const syncDirectory: typeof files.syncDirectory = async (path) => {
      if (isBroken) throw new SystemError('EIO', 'fsync', path);
      await files.syncDirectory(path);
    };
    const unlink: typeof files.unlink = async (path) => {
      isBroken = false;
      await files.unlink(path);
    };
    const journal = new Journal({ ...env, files: { ...files, syncDirectory, unlink } }, places);
    await assert.rejects(journal.begin(entry), { errno: 'EIO' });
    assert.deepEqual(await readdir(places.operationsDirectory), []);
  });
});

test('an entry that can neither be written nor put back is told with its path', async () => {
  await withHome(async (env, places) => {
    const { files } = env;
    const broken = (path: string): Promise<void> => Promise.reject(new SystemError('EIO', 'fsync', path));
    const faulty = { ...files, syncDirectory: broken, unlink: broken };
    const begun = new Journal({ ...env, files: faulty }, places).begin(entry);
    await assert.rejects(begun, (error: Error) => {
      assert.ok(error.message.includes(`remove ${places.operation(entry.id)} before the daemon starts`));
      assert.ok(error.cause instanceof AggregateError);
      assert.equal(error.cause.errors.length, 2);
      return true;
    });
  });
});

test('an entry that the disk does not give now may be anything: nothing goes on before it is read', async () => {
  await withHome(async (env, places) => {
    await new Journal(env, places).begin(entry);
    const readFile: Env['files']['readFile'] = (path) => Promise.reject(new SystemError('EIO', 'read', path));
    const journal = new Journal({ ...env, files: { ...env.files, readFile } }, places);
    await assert.rejects(journal.readAll(), { code: 'io_failed' });
  });
});

test('an entry that is larger than any that is written is damaged, and the others are read', async () => {
  await withHome(async (env, places) => {
    const journal = new Journal(env, places);
    await journal.begin(entry);
    const other = places.operation('00000000-0000-4000-8000-000000000002');
    await writeFile(other, ' '.repeat(4 * MIB + 1));
    const { entries, damaged } = await journal.readAll();
    assert.deepEqual([entries, damaged.map(({ path }) => path)], [[entry], [other]]);
  });
});

test('an entry under the name of another is damaged', async () => {
  await withHome(async (env, places) => {
    const other = places.operation('00000000-0000-4000-8000-000000000002');
    await writeFile(other, JSON.stringify(entry));
    const { entries, damaged } = await new Journal(env, places).readAll();
    assert.deepEqual([entries, damaged.length], [[], 1]);
    assert.match(damaged[0]?.reason ?? '', /cannot be understood/);
  });
});
