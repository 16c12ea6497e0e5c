import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../../env/files.ts';
import type { Extent, FileHandle, FileStat, OpenMode } from '../../env/files.ts';
import { SystemError } from '../../env/system-error.ts';
import type { FileInode, Inode } from '../disk/inode.ts';
import type { Volume } from '../disk/volume.ts';
import type { SimProcess } from '../process.ts';
import { SIM_UID } from './sim-host.ts';
import type { FileTrouble } from './file-trouble.ts';

export interface OpenFile {
  readonly volume: Volume;
  readonly inode: FileInode;
  readonly path: string;
  readonly mode: OpenMode;
}

export function statOf(volume: Volume, inode: Inode): FileStat {
  return {
    kind: inode.kind,
    sizeBytes: inode.kind === 'file' ? inode.contents.sizeBytes : 0,
    allocatedBytes: inode.kind === 'file' ? inode.contents.allocatedBytes : 0,
    mode: inode.mode,
    uid: SIM_UID,
    gid: SIM_UID,
    modifiedMs: inode.modifiedMs,
    inode: `${volume.name}:${inode.number}`,
    links: inode.links,
  };
}

/** Refuses what Node's implementation refuses as the caller's mistake. */
export function checkBatch(extents: readonly Extent[], bytes: Bytes): void {
  assert(extents.length <= BATCH_EXTENTS_MAX, 'a batch has a bounded number of extents');
  const total = extents.reduce((sum, { length }) => sum + length, 0);
  assert(total <= BATCH_BYTES_MAX && total <= bytes.byteLength, 'a batch fits its bound and its buffer');
}

export class SimFileHandle implements FileHandle {
  readonly #process: SimProcess;
  readonly #trouble: FileTrouble;
  readonly #file: OpenFile;
  #isOpen = true;

  constructor(process: SimProcess, trouble: FileTrouble, file: OpenFile) {
    this.#process = process;
    this.#trouble = trouble;
    this.#file = file;
  }

  read(into: Bytes, offset: number): Promise<number> {
    return this.#call('read', () => {
      const count = this.#file.inode.contents.read(into, offset);
      this.#trouble.corrupt(this.#file.path, into.subarray(0, count));
      return count;
    });
  }

  write(bytes: Bytes, offset: number): Promise<void> {
    return this.#call('write', () => this.#write(bytes, offset));
  }

  async readBatch(extents: readonly Extent[], into: Bytes): Promise<void> {
    checkBatch(extents, into);
    return this.#call('read', () => {
      let start = 0;
      for (const { offset, length } of extents) {
        const count = this.#file.inode.contents.read(into.subarray(start, start + length), offset);
        if (count < length) throw new SystemError('EIO', 'read', this.#file.path);
        start += length;
      }
      this.#trouble.corrupt(this.#file.path, into.subarray(0, start));
    });
  }

  async writeBatch(extents: readonly Extent[], from: Bytes): Promise<void> {
    checkBatch(extents, from);
    return this.#call('write', () => {
      let start = 0;
      for (const { offset, length } of extents) {
        this.#write(from.subarray(start, start + length), offset);
        start += length;
      }
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#call('truncate', () => {
      this.#requireWritable('truncate');
      const { inode, volume } = this.#file;
      const before = inode.contents.allocatedBytes;
      inode.contents.truncate(sizeBytes);
      const freed = before - inode.contents.allocatedBytes;
      if (freed > 0 && inode.links > 0) volume.freed(freed);
    });
  }

  sync(): Promise<void> {
    return this.#call('sync', () => this.#file.volume.syncFile(this.#file.inode));
  }

  stat(): Promise<FileStat> {
    return this.#call('stat', () => statOf(this.#file.volume, this.#file.inode));
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    return this.#process.call('files.close', () => undefined);
  }

  /** @throws SystemError, then with some of the bytes written, or none. */
  #write(all: Bytes, offset: number): void {
    this.#requireWritable('write');
    const { inode, volume, mode, path } = this.#file;
    const bytes = all.subarray(0, this.#trouble.partOf(all.byteLength));
    const place = this.#trouble.placeOf(path, offset, bytes.byteLength);
    const at = mode === 'a' ? inode.contents.sizeBytes : place;
    volume.write(inode, bytes, at);
    inode.modifiedMs = this.#process.machine.wallOffsetMs + this.#process.machine.scheduler.nowMs;
    if (bytes.byteLength < all.byteLength) throw new SystemError('EIO', 'write', path);
  }

  #requireWritable(act: string): void {
    if (this.#file.mode === 'r') throw new SystemError('EBADF', act, this.#file.path);
  }

  #call<T>(site: string, act: () => T): Promise<T> {
    const { path } = this.#file;
    return this.#process.call(
      `files.${site}`,
      () => {
        if (!this.#isOpen) throw new SystemError('EBADF', site, path);
        return this.#trouble.around(site, path, act);
      },
      { delayMs: this.#trouble.delayMs(site), subject: path },
    );
  }
}
