/**
 * Advisory locks by flock(2), which belongs to an *open file description* and so ends with the process, whatever ends
 * it: there is no stale lock to judge and no race in taking one over. Node has no call for it, but:
 *
 * - on Linux, `flock -n 3` (util-linux, BusyBox) locks a description that it inherits from us and exits; the
 *   description, and the lock with it, stays open here;
 * - on macOS, open(2) itself locks with O_EXLOCK.
 *
 * Both need no helper that lives on. Node opens files close-on-exec, so no child keeps a lock of ours. Descriptors are
 * plain numbers here: a `FileHandle` that nobody refers to is closed by the garbage collector, and the lock with it.
 */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import { isSystemError, SystemError } from '../system-error.ts';
import { childProcess } from './late-modules.ts';
import { attempt } from './system-errors.ts';
import type { FileLock } from '../files.ts';

const { O_CREAT, O_NONBLOCK, O_RDWR } = fs.constants;
const open = promisify(fs.open);
const close = promisify(fs.close);
const stat = promisify(fs.stat);
const fstat = promisify(fs.fstat);

/** How often a lock file may be deleted under us between opening and locking it before we give up. */
const DELETED_ATTEMPTS_MAX = 16;
/** From <sys/fcntl.h> of macOS; Node does not name it. */
const DARWIN_O_EXLOCK = 0x20;
/** What `flock` exits with when somebody else holds the lock. */
const FLOCK_CONFLICT_STATUS = 1;

/** @returns null when the lock is held, by another process or by this one. */
export async function tryLockFile(path: string): Promise<FileLock | null> {
  for (let attempts = 0; attempts < DELETED_ATTEMPTS_MAX; attempts += 1) {
    const fd = process.platform === 'darwin' ? await openLockedOnDarwin(path) : await openLockedOnLinux(path);
    if (fd === null) return null;
    if (await isStillAt(path, fd)) return new NodeFileLock(path, fd);
    // The last holder removed the file's folder: what we locked has no name any more.
    await close(fd);
  }
  throw new SystemError('EAGAIN', 'lock', path);
}

class NodeFileLock implements FileLock {
  private readonly path: string;
  private readonly fd: number;
  private releasing: Promise<void> | null = null;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /** Closes once: the number may be another file's by the second call. */
  async release(): Promise<void> {
    this.releasing ??= attempt('unlock', this.path, async () => await close(this.fd));
    await this.releasing;
  }
}

async function openLockedOnLinux(path: string): Promise<number | null> {
  const fd = await attempt('lock', path, async () => await open(path, O_RDWR | O_CREAT, 0o600));
  try {
    const status = await runFlock(path, fd);
    if (status === 0) return fd;
    if (status !== FLOCK_CONFLICT_STATUS) throw new SystemError('ENOLCK', 'lock', path);
  } catch (error) {
    await close(fd);
    throw error;
  }
  await close(fd);
  return null;
}

/** @throws SystemError `ENOSYS` when this machine has no `flock` program. */
async function runFlock(path: string, fd: number): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  const child = childProcess().spawn('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  child.once('error', (error) => reject(new SystemError('ENOSYS', 'lock', path, error)));
  child.once('exit', resolve);
  return await promise;
}

async function openLockedOnDarwin(path: string): Promise<number | null> {
  const flags = O_RDWR | O_CREAT | O_NONBLOCK | DARWIN_O_EXLOCK;
  try {
    return await attempt('lock', path, async () => await open(path, flags, 0o600));
  } catch (error) {
    if (isSystemError(error, 'EAGAIN', 'EWOULDBLOCK')) return null;
    throw error;
  }
}

async function isStillAt(path: string, fd: number): Promise<boolean> {
  const held = await attempt('stat', path, async () => await fstat(fd, { bigint: true }));
  try {
    const named = await attempt('stat', path, async () => await stat(path, { bigint: true }));
    return named.ino === held.ino && named.dev === held.dev;
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false;
    throw error;
  }
}
