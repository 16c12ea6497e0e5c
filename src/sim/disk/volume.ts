/**
 * A file system on one medium. Names and contents become durable only by their own sync, and only those synced are promised
 * after a loss of power; of the rest anything may be there: nothing, all, the first part, or any part, torn at sectors.
 *
 *     write ──▶ page cache ──sync of the file──▶ medium
 *     name  ──▶ entries, log ──sync of that directory──▶ medium
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { FileLock } from '../../env/files.ts';
import { SystemError } from '../../env/system-error.ts';
import type { Prng } from '../prng.ts';
import type { SimProcess } from '../process.ts';
import { directoryInode, fileInode, syncFile } from './inode.ts';
import type { DirectoryInode, FileInode, Inode, SocketInode, SymlinkInode } from './inode.ts';

const SECTOR_BYTES = 512;

/** One change of names; a rename is one change of two directories. */
interface NameChange {
  readonly parts: readonly {
    readonly directory: DirectoryInode;
    readonly name: string;
    readonly inode: Inode | null;
  }[];
}

export class Volume {
  readonly name: string;
  readonly root: DirectoryInode;
  /** Bytes that may be allocated. */
  capacityBytes: number;
  /** How often names have changed. */
  changes = 0;
  /** Changes of names that are not durable yet, in order. */
  #log: NameChange[] = [];
  #numbers = 1;
  #allocatedBytes = 0;
  readonly #locks = new Map<Inode, symbol>();

  constructor(name: string, capacityBytes: number) {
    this.name = name;
    this.capacityBytes = capacityBytes;
    this.root = directoryInode(this.#numbers, 0o755, 0);
    this.root.links = 1;
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#allocatedBytes);
  }

  newFile(mode: number, nowMs: number): FileInode {
    return fileInode(this.#number(), mode, nowMs);
  }

  newDirectory(mode: number, nowMs: number): DirectoryInode {
    return directoryInode(this.#number(), mode, nowMs);
  }

  newSymlink(target: string, nowMs: number): SymlinkInode {
    return { kind: 'symlink', number: this.#number(), mode: 0o777, modifiedMs: nowMs, links: 0, target };
  }

  newSocket(nowMs: number): SocketInode {
    return { kind: 'socket', number: this.#number(), mode: 0o600, modifiedMs: nowMs, links: 0 };
  }

  /** Puts, replaces or (null) removes names, as one change. */
  change(...parts: NameChange['parts']): void {
    for (const { directory, name, inode } of parts) {
      const old = directory.entries.get(name);
      if (old !== undefined) this.#unlinked(old);
      if (inode === null) directory.entries.delete(name);
      else {
        directory.entries.set(name, inode);
        inode.links += 1;
      }
    }
    this.#log.push({ parts });
    this.changes += 1;
  }

  /** Space for a file's contents to come. @throws SystemError `ENOSPC`. */
  allocate(inode: FileInode, allocatedBytes: number): void {
    const more = allocatedBytes - inode.contents.allocatedBytes;
    if (more > this.freeBytes && more > 0) throw new SystemError('ENOSPC', 'write', this.name);
    this.#allocatedBytes += more;
  }

  /** What a program or a guest writes: in the page cache only, until it is synced. @throws SystemError `ENOSPC`. */
  write(inode: FileInode, bytes: Bytes, at: number): void {
    const { contents, dirty } = inode;
    this.allocate(inode, contents.allocatedBytes + contents.newPages(at, bytes.byteLength) * PAGE_BYTES);
    contents.write(bytes, at);
    for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < at + bytes.byteLength; page += 1)
      dirty.add(page);
  }

  /** Space that a file gave back by being cut. */
  freed(bytes: number): void {
    this.#allocatedBytes -= bytes;
  }

  /** Null when another holds it. The lock goes with its process. */
  tryLock(inode: Inode, process: SimProcess): FileLock | null {
    if (this.#locks.has(inode)) return null;
    const lock = Symbol(process.label);
    this.#locks.set(inode, lock);
    const release = (): void => {
      if (this.#locks.get(inode) === lock) this.#locks.delete(inode);
    };
    process.onExit(release);
    return { release: () => process.call('files.unlock', release) };
  }

  /** Makes the entries of one directory durable. */
  syncDirectory(directory: DirectoryInode): void {
    const rest: NameChange[] = [];
    for (const change of this.#log) {
      if (change.parts.some((part) => part.directory === directory)) applyDurably(change);
      else rest.push(change);
    }
    this.#log = rest;
  }

  syncFile(inode: FileInode): void {
    syncFile(inode);
  }

  /** The power goes: what was not synced is there or not as `random` says; all of it without `canLose`. @returns how much was lost, for the count of faults. */
  losePower(random: Prng, canLose: boolean): number {
    let lost = 0;
    this.changes += 1;
    for (const change of canLose ? this.#survivors(random) : this.#log.splice(0)) applyDurably(change);
    lost += this.#log.length;
    this.#log = [];
    const seen = new Set<Inode>();
    const visit = (directory: DirectoryInode): void => {
      directory.entries.clear();
      for (const [name, inode] of directory.durable) {
        if (seen.has(inode) && inode.kind === 'directory') continue;
        directory.entries.set(name, inode);
        inode.links = seen.has(inode) ? inode.links + 1 : 1;
        if (seen.has(inode)) continue;
        seen.add(inode);
        if (inode.kind === 'directory') visit(inode);
        if (inode.kind === 'file' && canLose) lost += tear(inode, random);
        else if (inode.kind === 'file') syncFile(inode);
      }
      directory.durable.clear();
      for (const [name, inode] of directory.entries) directory.durable.set(name, inode);
    };
    visit(this.root);
    this.#allocatedBytes = 0;
    for (const inode of seen)
      if (inode.kind === 'file') this.#allocatedBytes += inode.contents.allocatedBytes;
    return lost;
  }

  /** Of the changes that were not synced, those that reached the medium all the same; takes them from the log. */
  #survivors(random: Prng): readonly NameChange[] {
    const manner = random.below(4);
    const kept = random.below(this.#log.length + 1);
    const survives = (index: number): boolean => {
      if (manner === 0) return false;
      if (manner === 1) return true;
      return manner === 2 ? index < kept : random.chance(0.5);
    };
    const survivors: NameChange[] = [];
    const lost: NameChange[] = [];
    for (const [index, change] of this.#log.entries()) (survives(index) ? survivors : lost).push(change);
    this.#log = lost;
    return survivors;
  }

  #unlinked(inode: Inode): void {
    inode.links -= 1;
    assert(inode.links >= 0, 'a name is taken away once');
    if (inode.links === 0 && inode.kind === 'file') this.#allocatedBytes -= inode.contents.allocatedBytes;
  }

  #number(): number {
    this.#numbers += 1;
    return this.#numbers;
  }
}

function applyDurably({ parts }: NameChange): void {
  for (const { directory, name, inode } of parts) {
    if (inode === null) directory.durable.delete(name);
    else directory.durable.set(name, inode);
  }
}

/** Of pages that were not synced, some reached the medium, some in part. */
function tear(inode: FileInode, random: Prng): number {
  const lost = inode.dirty.size;
  const kept = inode.durable;
  const manner = random.below(3);
  if (lost > 0 || inode.contents.sizeBytes !== kept.sizeBytes) {
    const grown = random.chance(0.5) ? inode.contents.sizeBytes : kept.sizeBytes;
    if (grown > kept.sizeBytes) kept.truncate(grown);
    for (const index of inode.dirty) {
      if (manner === 0 || (index + 1) * PAGE_BYTES > kept.sizeBytes + PAGE_BYTES - 1) continue;
      if (manner === 2 && random.chance(0.5)) continue;
      const page = inode.contents.page(index);
      if (page !== undefined) kept.write(torn(page, index, kept.sizeBytes, random), index * PAGE_BYTES);
    }
  }
  inode.dirty.clear();
  inode.contents = kept.copy();
  return lost;
}

function torn(page: Uint8Array, index: number, sizeBytes: number, random: Prng): Uint8Array {
  const end = Math.min(PAGE_BYTES, sizeBytes - index * PAGE_BYTES);
  const sectors = random.chance(0.7) ? PAGE_BYTES / SECTOR_BYTES : random.below(PAGE_BYTES / SECTOR_BYTES);
  return page.subarray(0, Math.min(end, sectors * SECTOR_BYTES));
}
