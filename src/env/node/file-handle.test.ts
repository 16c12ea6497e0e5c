import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { PAGE_BYTES } from '../../base/units.ts';
import { createNodeEnv } from './env.ts';

test('a file that is closed while a thread writes to it is closed afterwards: its descriptor is not yet another’s', async () => {
  const { compute, files } = createNodeEnv();
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-lend-'));
  try {
    const packed = await compute.packFrame(new Uint8Array(PAGE_BYTES).fill(7), null);
    const file = await files.open(join(directory, 'lent'), 'w');
    const places = [{ start: 0, length: PAGE_BYTES, offset: 0 }];
    const writing = compute.unpackFrameTo({ file, places }, packed, PAGE_BYTES, null);
    // The call gets to the descriptor in a later turn, as any call that loads its threads first.
    await new Promise(setImmediate);
    const closing = file.close();
    const other = await files.open(join(directory, 'other'), 'w');
    await Promise.all([writing, closing]);
    await other.close();
    assert.deepEqual(await readFile(join(directory, 'lent')), Buffer.alloc(PAGE_BYTES, 7));
    assert.equal((await readFile(join(directory, 'other'))).byteLength, 0);
  } finally {
    await rm(directory, { recursive: true });
  }
});
