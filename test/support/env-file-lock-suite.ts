import assert from 'node:assert/strict';
import { defined } from '../../src/base/assert.ts';
import { promises } from './with-fixture.ts';
import type { CreateFixture } from './env-suite.ts';

export function fileLockSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} file locks`, createFixture);

  promise('one holds it until it is released', async ({ env: { files }, directory }) => {
    const path = `${directory}/lock`;
    const held = defined(await files.tryLock(path), 'a free lock');
    assert.equal(await files.tryLock(path), null);
    const other = defined(await files.tryLock(`${directory}/other`), 'another lock');
    await other.release();
    await held.release();
    await held.release();
    const again = defined(await files.tryLock(path), 'a released lock');
    await again.release();
    assert.equal((await files.stat(path)).mode, 0o600);
  });

  promise('of many that try at once, one gets it', async ({ env: { files }, directory }) => {
    const tries = Array.from({ length: 8 }, async () => files.tryLock(`${directory}/lock`));
    const locks = (await Promise.all(tries)).filter((lock) => lock !== null);
    assert.equal(locks.length, 1);
    for (const lock of locks) await lock.release();
  });

  promise('a lock whose file was removed by its holder is gone', async ({ env: { files }, directory }) => {
    const path = `${directory}/lock`;
    const held = defined(await files.tryLock(path), 'a free lock');
    await files.unlink(path);
    const next = defined(await files.tryLock(path), 'a lock with a new file');
    await held.release();
    assert.equal(await files.tryLock(path), null);
    await next.release();
  });
}
