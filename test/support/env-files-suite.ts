import assert from 'node:assert/strict';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { GIB, KIB, MIB } from '../../src/base/units.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../../src/env/files.ts';
import { promises, refusedWith } from './with-fixture.ts';
import type { Files } from '../../src/env/files.ts';
import type { CreateFixture } from './env-suite.ts';

async function put(files: Files, path: string, text: string): Promise<void> {
  const file = await files.open(path, 'w');
  await file.write(utf8(text), 0);
  await file.close();
}

async function get(files: Files, path: string): Promise<string> {
  return fromUtf8(await files.readFile(path, MIB));
}

export function filesSuite(name: string, createFixture: CreateFixture): void {
  handleSuite(name, createFixture);
  batchSuite(name, createFixture);
  nameSuite(name, createFixture);
  cloneSuite(name, createFixture);
}

function handleSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} files`, createFixture);

  promise('open modes make, keep, cut, refuse and append', async ({ env: { files }, directory }) => {
    const path = `${directory}/f`;
    await refusedWith('ENOENT', files.open(path, 'r'));
    await refusedWith('ENOENT', files.open(path, 'r+'));
    await put(files, path, 'first');
    await refusedWith('EEXIST', files.open(path, 'wx'));
    const both = await files.open(path, 'r+');
    await both.write(utf8('F'), 0);
    const into = new Uint8Array(3);
    assert.equal(await both.read(into, 0), 3);
    assert.equal(fromUtf8(into), 'Fir');
    await both.close();
    const tail = await files.open(path, 'a');
    await tail.write(utf8('!'), 0);
    await tail.close();
    assert.equal(await get(files, path), 'First!');
    await put(files, path, '');
    assert.equal((await files.stat(path)).sizeBytes, 0);
  });

  promise('reads tell the end and holes are zeros', async ({ env: { files }, directory }) => {
    const file = await files.open(`${directory}/f`, 'wx');
    await file.write(utf8('end'), MIB);
    await file.close();
    const reader = await files.open(`${directory}/f`, 'r');
    const into = new Uint8Array(8).fill(9);
    assert.equal(await reader.read(into, 0), 8);
    assert.deepEqual(into, new Uint8Array(8));
    assert.equal(await reader.read(into, MIB), 3);
    assert.equal(await reader.read(into, MIB + 3), 0);
    await refusedWith('EBADF', reader.write(into, 0));
    await reader.close();
  });

  promise('truncate grows without taking space, and cuts', async ({ env: { files }, directory }) => {
    const file = await files.open(`${directory}/f`, 'wx');
    await file.truncate(8 * GIB);
    await file.sync();
    const grown = await file.stat();
    assert.equal(grown.sizeBytes, 8 * GIB);
    assert.ok(grown.allocatedBytes < 64 * KIB);
    await file.truncate(5);
    assert.equal((await file.stat()).sizeBytes, 5);
    await file.close();
  });

  promise('a closed handle may be closed again and nothing else', async ({ env: { files }, directory }) => {
    const file = await files.open(`${directory}/f`, 'wx');
    await file.close();
    await file.close();
    await refusedWith('EBADF', file.read(new Uint8Array(1), 0));
    await refusedWith('EBADF', file.sync());
  });

  promise('an unlinked file lives on in its handle', async ({ env: { files }, directory }) => {
    const path = `${directory}/f`;
    await put(files, path, 'alive');
    const file = await files.open(path, 'r');
    await files.unlink(path);
    const into = new Uint8Array(5);
    assert.equal(await file.read(into, 0), 5);
    assert.equal((await file.stat()).links, 0);
    await file.close();
  });

  promise('readFile is bounded', async ({ env: { files }, directory }) => {
    await put(files, `${directory}/f`, '12345');
    assert.equal(fromUtf8(await files.readFile(`${directory}/f`, 5)), '12345');
    await refusedWith('EFBIG', files.readFile(`${directory}/f`, 4));
    await refusedWith('ENOENT', files.readFile(`${directory}/g`, 4));
    await refusedWith('EISDIR', files.readFile(directory, MIB));
  });
}

function batchSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} file batches`, createFixture);
  const extents = [
    { offset: 5 * MIB, length: 4096 },
    { offset: 1, length: 3 },
    { offset: 8192, length: 10 },
  ];

  promise(
    'extents are written from and read into consecutive parts',
    async ({ env: { files }, directory }) => {
      const file = await files.open(`${directory}/f`, 'wx');
      const from = Uint8Array.from({ length: 4109 }, (_, index) => index % 251);
      await file.writeBatch(extents, from);
      await file.close();
      const reader = await files.open(`${directory}/f`, 'r');
      const into = new Uint8Array(4200);
      await reader.readBatch(extents, into);
      assert.deepEqual(into.subarray(0, 4109), from);
      assert.deepEqual(into.subarray(4109), new Uint8Array(91));
      await reader.close();
    },
  );

  promise('an extent past the end is an error', async ({ env: { files }, directory }) => {
    await put(files, `${directory}/f`, '12345');
    const reader = await files.open(`${directory}/f`, 'r');
    await refusedWith('EIO', reader.readBatch([{ offset: 3, length: 3 }], new Uint8Array(3)));
    await reader.close();
  });

  promise('more than a batch may hold is our own mistake', async ({ env: { files }, directory }) => {
    const file = await files.open(`${directory}/f`, 'wx');
    const large = new Uint8Array(BATCH_BYTES_MAX + 1);
    const failure = { name: 'AssertionFailed' };
    await assert.rejects(file.writeBatch([{ offset: 0, length: large.byteLength }], large), failure);
    await assert.rejects(file.readBatch([{ offset: 0, length: 2 }], new Uint8Array(1)), failure);
    const many = Array.from({ length: BATCH_EXTENTS_MAX + 1 }, () => ({ offset: 0, length: 1 }));
    await assert.rejects(file.writeBatch(many, large), failure);
    await file.close();
  });
}

function nameSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} file names`, createFixture);

  promise('what is made is private', async ({ env: { files }, directory }) => {
    await files.makeDirectory(`${directory}/a/b`);
    await files.makeDirectory(`${directory}/a/b`);
    await put(files, `${directory}/a/b/f`, 'x');
    assert.equal((await files.stat(`${directory}/a`)).mode, 0o700);
    const { kind, mode, sizeBytes, links } = await files.stat(`${directory}/a/b/f`);
    assert.deepEqual({ kind, mode, sizeBytes, links }, { kind: 'file', mode: 0o600, sizeBytes: 1, links: 1 });
    const program = await files.open(`${directory}/p`, 'w', 0o700);
    await program.close();
    assert.equal((await files.stat(`${directory}/p`)).mode, 0o700);
    await files.changeMode(`${directory}/p`, 0o400);
    assert.equal((await files.stat(`${directory}/p`)).mode, 0o400);
  });

  promise('a taken name is refused where exclusivity is promised', async ({ env: { files }, directory }) => {
    await files.makeDirectoryExclusive(`${directory}/d`);
    await refusedWith('EEXIST', files.makeDirectoryExclusive(`${directory}/d`));
    await refusedWith('ENOENT', files.makeDirectoryExclusive(`${directory}/x/y`));
    await put(files, `${directory}/f`, 'x');
    await put(files, `${directory}/g`, 'y');
    await refusedWith('EEXIST', files.link(`${directory}/f`, `${directory}/g`));
    await files.link(`${directory}/f`, `${directory}/h`);
    assert.equal((await files.stat(`${directory}/h`)).inode, (await files.stat(`${directory}/f`)).inode);
    assert.equal((await files.stat(`${directory}/h`)).links, 2);
    await refusedWith('EEXIST', files.makeDirectory(`${directory}/f`));
  });

  promise('of many that put a name, one wins', async ({ env: { files }, directory }) => {
    const racers = Array.from({ length: 8 }, (_, index) => `${directory}/r${index}`);
    for (const racer of racers) await put(files, racer, racer);
    const results = await Promise.allSettled(
      racers.map(async (racer) => files.link(racer, `${directory}/won`)),
    );
    assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
  });

  promise('rename replaces', async ({ env: { files }, directory }) => {
    await put(files, `${directory}/f`, 'new');
    await put(files, `${directory}/g`, 'old');
    await files.rename(`${directory}/f`, `${directory}/g`);
    assert.equal(await get(files, `${directory}/g`), 'new');
    await refusedWith('ENOENT', files.rename(`${directory}/f`, `${directory}/g`));
    assert.deepEqual(await files.list(directory), ['g']);
  });

  promise(
    'links are told from what they name, and removed without it',
    async ({ env: { files }, directory }) => {
      await files.makeDirectory(`${directory}/d`);
      await put(files, `${directory}/d/f`, 'kept');
      await files.symlink('d', `${directory}/l`);
      assert.equal(await files.readLink(`${directory}/l`), 'd');
      assert.equal((await files.lstat(`${directory}/l`)).kind, 'symlink');
      assert.equal((await files.stat(`${directory}/l`)).kind, 'directory');
      await refusedWith('EEXIST', files.symlink('d', `${directory}/l`));
      await refusedWith('EINVAL', files.readLink(`${directory}/d`));
      await files.makeDirectory(`${directory}/t`);
      await files.symlink(`${directory}/d`, `${directory}/t/inner`);
      await files.removeTree(`${directory}/t`);
      await files.removeTree(`${directory}/t`);
      await files.removeTree(`${directory}/l`);
      assert.equal(await get(files, `${directory}/d/f`), 'kept');
      await refusedWith('ENOENT', files.unlink(`${directory}/l`));
    },
  );

  promise('what is not there is said so', async ({ env: { files }, directory }) => {
    const missing = `${directory}/none`;
    await refusedWith('ENOENT', files.stat(missing));
    await refusedWith('ENOENT', files.lstat(missing));
    await refusedWith('ENOENT', files.list(missing));
    await refusedWith('ENOENT', files.readLink(missing));
    await refusedWith('ENOENT', files.syncDirectory(missing));
    await refusedWith('ENOENT', files.changeMode(missing, 0o600));
    await refusedWith('ENOENT', files.changeModified(missing, 0));
    await refusedWith('ENOENT', files.freeBytes(missing));
    await refusedWith('ENOENT', files.clone(missing, `${directory}/copy`));
    await refusedWith('ENOENT', files.tryLock(`${missing}/lock`));
    await put(files, `${directory}/f`, '');
    await refusedWith('ENOTDIR', files.open(`${directory}/f/g`, 'r'));
    await refusedWith('ENOTDIR', files.list(`${directory}/f`));
  });

  promise('times, space and directories can be told and synced', async ({ env: { files }, directory }) => {
    await put(files, `${directory}/f`, 'x');
    await files.changeModified(`${directory}/f`, 1_700_000_000_500);
    assert.equal((await files.stat(`${directory}/f`)).modifiedMs, 1_700_000_000_500);
    assert.ok((await files.freeBytes(directory)) > MIB);
    await files.syncDirectory(directory);
  });
}

function cloneSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} file clones`, createFixture);

  promise('a clone has the contents and permissions, and is apart', async ({ env: { files }, directory }) => {
    const [source, target] = [`${directory}/-s`, `${directory}/t t`];
    await put(files, source, 'contents');
    await files.changeMode(source, 0o640);
    await put(files, target, 'something longer, and older');
    const old = await files.open(target, 'r');
    await files.clone(source, target);
    assert.equal(await get(files, target), 'contents');
    assert.equal((await files.stat(target)).mode, 0o640);
    assert.equal((await old.stat()).sizeBytes, 27);
    await old.close();
    await put(files, source, 'changed');
    assert.equal(await get(files, target), 'contents');
  });

  promise('a sparse file stays sparse', async ({ env: { files }, directory }) => {
    const source = await files.open(`${directory}/s`, 'wx');
    await source.truncate(8 * GIB);
    for (const offset of [0, 3 * GIB, 8 * GIB - MIB]) await source.write(new Uint8Array(MIB).fill(7), offset);
    await source.close();
    await files.clone(`${directory}/s`, `${directory}/t`);
    const { sizeBytes, allocatedBytes } = await files.stat(`${directory}/t`);
    assert.equal(sizeBytes, 8 * GIB);
    assert.ok(allocatedBytes <= 4 * MIB);
    const target = await files.open(`${directory}/t`, 'r');
    const into = new Uint8Array(4096);
    await target.readBatch([{ offset: 3 * GIB + MIB - 4096, length: 4096 }], into);
    assert.deepEqual(into, new Uint8Array(4096).fill(7));
    await target.close();
  });

  promise('a clone into a missing folder is refused', async ({ env: { files }, directory }) => {
    await put(files, `${directory}/s`, 'x');
    await refusedWith('ENOENT', files.clone(`${directory}/s`, `${directory}/none/t`));
  });
}
