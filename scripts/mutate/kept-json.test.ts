import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { z } from 'zod';
import { KeptJson } from './kept-json.ts';

async function withKept(work: (kept: KeptJson<readonly number[]>) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-kept-'));
  try {
    await work(new KeptJson(join(directory, 'made', 'kept.json'), z.array(z.number())));
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('nothing is kept at first, and then what was written last', async () => {
  await withKept(async (kept) => {
    assert.equal(await kept.read(), null);
    await kept.write([1]);
    await kept.write([1, 2]);
    assert.deepEqual(await kept.read(), [1, 2]);
  });
});

test('workers that write at once do not take the file from each other', async () => {
  await withKept(async (kept) => {
    const lists = Array.from({ length: 50 }, (_, index) => Array.from({ length: 1000 }, () => index));
    await Promise.all(lists.map(async (list) => await kept.write(list)));
    assert.deepEqual(await kept.read(), lists.at(-1));
  });
});
