import type { Bytes } from '../base/bytes.ts';

/** `r` read; `r+` read and write, must exist; `w` write, made or cut to nothing; `wx` write, must not exist; `a` append, made if missing: writes go to the end, whatever their offset. */
export type OpenMode = 'r' | 'r+' | 'w' | 'wx' | 'a';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'socket' | 'other';
  readonly sizeBytes: number;
  /** What the file takes on the disk; less than `sizeBytes` when it is sparse. */
  readonly allocatedBytes: number;
  /** Permission bits, as in 0o600. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedMs: number;
  /** Names the file on this machine, for comparing: its device, a colon, and its number there. */
  readonly inode: string;
  readonly links: number;
}

/** A stretch of a file. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface FileHandle {
  /** Reads up to `into.byteLength` bytes at `offset`; returns how many, 0 at the end of the file. */
  read(into: Bytes, offset: number): Promise<number>;
  /** Writes all of `bytes` at `offset`, or throws. Nothing is durable before `sync`. */
  write(bytes: Bytes, offset: number): Promise<void>;
  /**
   * Reads every extent, back to back, into the start of `into`. It is one act without an event-loop turn between
   * extents, because a paused VM waits for it: at most `BATCH_BYTES_MAX` bytes, on files that answer from memory
   * (`/proc/PID/mem`, the page cache). @throws SystemError `EIO` when an extent ends early.
   */
  readBatch(extents: readonly Extent[], into: Bytes): Promise<void>;
  /** Writes consecutive parts of `from` to the extents, as one act; the counterpart of `readBatch`, same bound. */
  writeBatch(extents: readonly Extent[], from: Bytes): Promise<void>;
  /** Makes the file `sizeBytes` long; new bytes are zeros and take no space. */
  truncate(sizeBytes: number): Promise<void>;
  /** Makes contents and size durable. The directory entry is a separate act: `Files.syncDirectory`. */
  sync(): Promise<void>;
  stat(): Promise<FileStat>;
  /** Does not sync. May be called twice. */
  close(): Promise<void>;
}

/** Bound of `readBatch` and `writeBatch`, in bytes: about 2 ms of copying. */
export const BATCH_BYTES_MAX: number = 4 * 1024 * 1024;
/** Bound of extents in one batch: about 2 ms of system calls. */
export const BATCH_EXTENTS_MAX = 1024;

/** The file system. Paths are absolute. Every failure is a `SystemError`. */
export interface Files {
  /** @param mode permission bits of a file that is made; default 0o600. */
  open(path: string, mode: OpenMode, permissions?: number): Promise<FileHandle>;
  /** The whole of a small file. @throws SystemError `EFBIG` when it is larger than `sizeBytesMax`. */
  readFile(path: string, sizeBytesMax: number): Promise<Bytes>;
  stat(path: string): Promise<FileStat>;
  /** Like `stat`, of a link itself. */
  lstat(path: string): Promise<FileStat>;
  /** Names in no promised order, without `.` and `..`. */
  list(path: string): Promise<readonly string[]>;
  /** With parents; no error when it exists. New directories get mode 0o700. */
  makeDirectory(path: string): Promise<void>;
  /** Makes one directory. @throws SystemError `EEXIST` when the name is taken: this is a lock between processes. */
  makeDirectoryExclusive(path: string): Promise<void>;
  /** Replaces the target atomically. Durable only after `syncDirectory` of the parent. */
  rename(source: string, target: string): Promise<void>;
  /** A second name for a file. @throws SystemError `EEXIST` when `target` exists: this is put-if-absent. */
  link(source: string, target: string): Promise<void>;
  /** A symbolic link at `path` that holds `target` as it is. */
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  /** @throws SystemError `ENOENT` when it is not there. */
  unlink(path: string): Promise<void>;
  /** A file or a whole tree; no error when it is not there. Links are removed, not followed. */
  removeTree(path: string): Promise<void>;
  /** Makes a directory's entries durable. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Copies contents and permissions, sharing blocks where the file system can, sparse where it cannot. Time depends on
   * the data in `source`, not on its size. Makes `target` or replaces it, leaving those who have the old one open with
   * it. Not atomic: after a failure `target` may be missing or cut short.
   */
  clone(source: string, target: string): Promise<void>;
  changeMode(path: string, permissions: number): Promise<void>;
  changeModified(path: string, modifiedMs: number): Promise<void>;
  /** Free space for this user on the file system of `path`. */
  freeBytes(path: string): Promise<number>;
  /**
   * An advisory lock that the system drops when this process ends, however it ends. The file is made and stays; it is
   * safe to remove it only while holding the lock.
   * @returns null when somebody holds it, in this process or another.
   * @throws SystemError `ENOSYS` when the machine lacks what locks need (`flock` of util-linux).
   */
  tryLock(path: string): Promise<FileLock | null>;
}

export interface FileLock {
  /** May be called twice. A lock that is forgotten without it is held until the process ends. */
  release(): Promise<void>;
}
