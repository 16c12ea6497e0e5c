import * as fs from 'node:fs/promises';
import { assert } from '../../base/assert.ts';
import { concat } from '../../base/bytes.ts';
import { KIB } from '../../base/units.ts';
import { SystemError } from '../system-error.ts';
import { cloneFile } from './file-clone.ts';
import { NodeFileHandle } from './file-handle.ts';
import { tryLockFile } from './file-lock.ts';
import { fileStat } from './file-stat.ts';
import { attempt } from './system-errors.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FileHandle, Files, FileStat, OpenMode } from '../files.ts';

const PRIVATE_FILE_MODE = 0o600;
const PRIVATE_DIRECTORY_MODE = 0o700;
/** Files under /proc say that they are empty, so a whole file is read in steps until its end. */
const READ_STEP_BYTES: number = 64 * KIB;

/** One act on one path. */
async function on<T>(act: string, path: string, run: () => Promise<T>): Promise<T> {
  assert(path.startsWith('/'), 'paths are absolute');
  return await attempt(act, path, run);
}

async function openFile(
  path: string,
  mode: OpenMode,
  permissions: number = PRIVATE_FILE_MODE,
): Promise<FileHandle> {
  return await on('open', path, async () => new NodeFileHandle(await fs.open(path, mode, permissions), path));
}

async function readFile(path: string, sizeBytesMax: number): Promise<Bytes> {
  const file = await openFile(path, 'r');
  try {
    const { sizeBytes } = await file.stat();
    if (sizeBytes > sizeBytesMax) throw new SystemError('EFBIG', 'read', path);
    const parts: Bytes[] = [];
    for (let length = 0; ;) {
      const part = new Uint8Array(Math.max(sizeBytes - length, READ_STEP_BYTES));
      const read = await file.read(part, length);
      if (read === 0) return concat(parts);
      length += read;
      if (length > sizeBytesMax) throw new SystemError('EFBIG', 'read', path);
      parts.push(part.subarray(0, read));
    }
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  await on('sync', path, async () => {
    const directory = await fs.open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  });
}

async function stat(path: string): Promise<FileStat> {
  return await on('stat', path, async () => fileStat(await fs.stat(path, { bigint: true })));
}

async function lstat(path: string): Promise<FileStat> {
  return await on('lstat', path, async () => fileStat(await fs.lstat(path, { bigint: true })));
}

async function makeDirectory(path: string): Promise<void> {
  await on(
    'mkdir',
    path,
    async () => await fs.mkdir(path, { recursive: true, mode: PRIVATE_DIRECTORY_MODE }),
  );
}

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await on('statfs', path, async () => await fs.statfs(path));
  return bavail * bsize;
}

export function createNodeFiles(): Files {
  return {
    open: openFile,
    readFile,
    stat,
    lstat,
    list: async (path) => await on('list', path, async () => await fs.readdir(path)),
    makeDirectory,
    makeDirectoryExclusive: async (path) =>
      await on('mkdir', path, async () => await fs.mkdir(path, { mode: PRIVATE_DIRECTORY_MODE })),
    rename: async (source, target) => await on('rename', source, async () => await fs.rename(source, target)),
    link: async (source, target) => await on('link', target, async () => await fs.link(source, target)),
    symlink: async (target, path) => await on('symlink', path, async () => await fs.symlink(target, path)),
    readLink: async (path) => await on('readlink', path, async () => await fs.readlink(path)),
    unlink: async (path) => await on('unlink', path, async () => await fs.unlink(path)),
    removeTree: async (path) =>
      await on('remove', path, async () => await fs.rm(path, { recursive: true, force: true })),
    syncDirectory,
    clone: async (source, target) => await on('clone', target, async () => await cloneFile(source, target)),
    changeMode: async (path, permissions) =>
      await on('chmod', path, async () => await fs.chmod(path, permissions)),
    changeModified: async (path, modifiedMs) =>
      await on('utimes', path, async () => await fs.utimes(path, modifiedMs / 1000, modifiedMs / 1000)),
    freeBytes,
    tryLock: async (path) => await on('lock', path, async () => await tryLockFile(path)),
  };
}
