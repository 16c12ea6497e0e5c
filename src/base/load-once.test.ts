import assert from 'node:assert/strict';
import test from 'node:test';
import { loadOnce } from './load-once.ts';

test('what is asked for again and again is loaded once, and by nobody before', async () => {
  let loads = 0;
  const ask = loadOnce(async () => {
    loads += 1;
    return loads;
  });
  assert.equal(loads, 0);
  assert.deepEqual(await Promise.all([ask(), ask()]), [1, 1]);
  assert.equal(await ask(), 1);
});

test('a load that failed is told to all who wait for it, and tried again by the next', async () => {
  let loads = 0;
  const ask = loadOnce(async () => {
    loads += 1;
    if (loads === 1) throw new Error('no file descriptor');
    return loads;
  });
  const failed = [ask(), ask()];
  for (const answer of failed) await assert.rejects(answer, /no file descriptor/);
  assert.equal(await ask(), 2);
});
