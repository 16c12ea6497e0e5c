/** `Files` over the volumes of a machine. Each call is one parked act: a crash comes before it or after it. */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FileHandle, FileLock, Files, FileStat, OpenMode } from '../../env/files.ts';
import { SystemError } from '../../env/system-error.ts';
import type { DirectoryInode, FileInode, Inode } from '../disk/inode.ts';
import { directoryAt, follow, locate, lookup, normalized } from '../disk/paths.ts';
import type { Place } from '../disk/paths.ts';
import type { Volume } from '../disk/volume.ts';
import type { SimProcess } from '../process.ts';
import { SimFileHandle, statOf } from './sim-file-handle.ts';
import { FileTrouble } from './file-trouble.ts';
import { openProcFile, workingDirectoryAt } from './proc-files.ts';

const OVERWRITE_MODES: ReadonlySet<OpenMode> = new Set<OpenMode>(['w', 'wx', 'a']);
const CLONE_MS = 1;
/** Simulated `/proc` files that are read whole are small. */
const PROC_FILE_BYTES_MAX = 4096;

export class SimFiles implements Files {
  readonly #process: SimProcess;
  readonly #trouble: FileTrouble;

  constructor(process: SimProcess) {
    this.#process = process;
    this.#trouble = new FileTrouble(process);
  }

  async open(path: string, mode: OpenMode, permissions = 0o600): Promise<FileHandle> {
    const proc = path.startsWith('/proc/') ? openProcFile(this.#process, path) : null;
    if (proc !== null) return proc;
    return this.#call('open', path, () => {
      const place = follow(this.#machine, path, 'open');
      const { volume, inode: found } = place;
      if (found?.kind === 'directory') throw new SystemError('EISDIR', 'open', path);
      if (found?.kind === 'socket' || found?.kind === 'symlink') throw new SystemError('ENXIO', 'open', path);
      if (found !== null && mode === 'wx') throw new SystemError('EEXIST', 'open', path);
      if (found === null && !OVERWRITE_MODES.has(mode)) throw new SystemError('ENOENT', 'open', path);
      const inode = found ?? this.#make(volume, place.directory, place.name, permissions);
      if (mode === 'w' && found !== null) this.#truncate(volume, inode);
      return new SimFileHandle(this.#process, this.#trouble, { volume, inode, path, mode });
    });
  }

  async readFile(path: string, sizeBytesMax: number): Promise<Bytes> {
    const proc = path.startsWith('/proc/') ? openProcFile(this.#process, path) : null;
    if (proc !== null) {
      const bytes = new Uint8Array(Math.min(sizeBytesMax, PROC_FILE_BYTES_MAX));
      return bytes.slice(0, await proc.read(bytes, 0));
    }
    return this.#call('readFile', path, () => {
      const { inode } = lookup(this.#machine, path, 'readFile');
      if (inode.kind === 'directory') throw new SystemError('EISDIR', 'readFile', path);
      if (inode.kind !== 'file') throw new SystemError('ENXIO', 'readFile', path);
      if (inode.contents.sizeBytes > sizeBytesMax) throw new SystemError('EFBIG', 'readFile', path);
      const bytes = inode.contents.bytes();
      this.#trouble.corrupt(path, bytes);
      return bytes;
    });
  }

  stat(path: string): Promise<FileStat> {
    return this.#call('stat', path, () => {
      const { volume, inode } = lookup(this.#machine, path, 'stat');
      return statOf(volume, inode);
    });
  }

  lstat(path: string): Promise<FileStat> {
    return this.#call('lstat', path, () => {
      const { volume, inode } = locate(this.#machine, path, 'lstat');
      if (inode === null) throw new SystemError('ENOENT', 'lstat', path);
      return statOf(volume, inode);
    });
  }

  list(path: string): Promise<readonly string[]> {
    return this.#call('list', path, () => {
      const names = [...directoryAt(this.#machine, path, 'list').entries.keys()];
      for (let left = names.length; left > 1; left -= 1) {
        const index = this.#machine.random.below(left);
        const [last, other] = [names[left - 1], names[index]];
        assert(last !== undefined && other !== undefined, 'both are in the list');
        names[left - 1] = other;
        names[index] = last;
      }
      return names;
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call('makeDirectory', path, () => this.#makeWithParents(normalized(path)));
  }

  makeDirectoryExclusive(path: string): Promise<void> {
    return this.#call('makeDirectoryExclusive', path, () => {
      const place = locate(this.#machine, path, 'mkdir');
      if (place.inode !== null) throw new SystemError('EEXIST', 'mkdir', path);
      this.#mkdir(place);
    });
  }

  rename(source: string, target: string): Promise<void> {
    return this.#call('rename', source, () => {
      const from = locate(this.#machine, source, 'rename');
      const to = locate(this.#machine, target, 'rename');
      if (from.inode === null) throw new SystemError('ENOENT', 'rename', source);
      if (from.volume !== to.volume) throw new SystemError('EXDEV', 'rename', target);
      if (from.inode === to.inode) return;
      if (to.inode?.kind === 'directory') {
        if (from.inode.kind !== 'directory') throw new SystemError('EISDIR', 'rename', target);
        if (to.inode.entries.size > 0) throw new SystemError('ENOTEMPTY', 'rename', target);
      } else if (to.inode !== null && from.inode.kind === 'directory')
        throw new SystemError('ENOTDIR', 'rename', target);
      from.volume.change(
        { directory: to.directory, name: to.name, inode: from.inode },
        { directory: from.directory, name: from.name, inode: null },
      );
    });
  }

  link(source: string, target: string): Promise<void> {
    return this.#call('link', target, () => {
      const from = locate(this.#machine, source, 'link');
      if (from.inode === null) throw new SystemError('ENOENT', 'link', source);
      if (from.inode.kind === 'directory') throw new SystemError('EPERM', 'link', source);
      const to = locate(this.#machine, target, 'link');
      if (to.inode !== null) throw new SystemError('EEXIST', 'link', target);
      to.volume.change({ directory: to.directory, name: to.name, inode: from.inode });
    });
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#call('symlink', path, () => {
      const place = locate(this.#machine, path, 'symlink');
      if (place.inode !== null) throw new SystemError('EEXIST', 'symlink', path);
      place.volume.change({
        directory: place.directory,
        name: place.name,
        inode: place.volume.newSymlink(target, this.#nowMs),
      });
    });
  }

  readLink(path: string): Promise<string> {
    return this.#call('readLink', path, () => {
      const directory = workingDirectoryAt(this.#process, path);
      if (directory !== null) return directory;
      const { inode } = locate(this.#machine, path, 'readlink');
      if (inode === null) throw new SystemError('ENOENT', 'readlink', path);
      if (inode.kind !== 'symlink') throw new SystemError('EINVAL', 'readlink', path);
      return inode.target;
    });
  }

  unlink(path: string): Promise<void> {
    return this.#call('unlink', path, () => {
      const place = locate(this.#machine, path, 'unlink');
      if (place.inode === null) throw new SystemError('ENOENT', 'unlink', path);
      if (place.inode.kind === 'directory') throw new SystemError('EISDIR', 'unlink', path);
      place.volume.change({ directory: place.directory, name: place.name, inode: null });
    });
  }

  /** Not one act: a crash can come between any two names. */
  async removeTree(path: string): Promise<void> {
    for (;;) {
      const isGone = await this.#call('removeTree', path, () => this.#removeOne(path));
      if (isGone) return;
    }
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call('syncDirectory', path, () => {
      const { volume, inode } = lookup(this.#machine, path, 'fsync');
      if (inode.kind === 'directory') volume.syncDirectory(inode);
    });
  }

  clone(source: string, target: string): Promise<void> {
    return this.#call(
      'clone',
      target,
      () => {
        const from = lookup(this.#machine, source, 'clone').inode;
        if (from.kind !== 'file') throw new SystemError('EISDIR', 'clone', source);
        const to = locate(this.#machine, target, 'clone');
        const inode = to.volume.newFile(from.mode, this.#nowMs);
        to.volume.allocate(inode, from.contents.allocatedBytes);
        inode.contents = from.contents.copy();
        for (const page of inode.contents.pages) inode.dirty.add(page);
        to.volume.change({ directory: to.directory, name: to.name, inode });
      },
      CLONE_MS,
    );
  }

  changeMode(path: string, permissions: number): Promise<void> {
    return this.#call('chmod', path, () => {
      lookup(this.#machine, path, 'chmod').inode.mode = permissions;
    });
  }

  changeModified(path: string, modifiedMs: number): Promise<void> {
    return this.#call('utimes', path, () => {
      lookup(this.#machine, path, 'utimes').inode.modifiedMs = modifiedMs;
    });
  }

  freeBytes(path: string): Promise<number> {
    return this.#call('freeBytes', path, () => lookup(this.#machine, path, 'statfs').volume.freeBytes);
  }

  tryLock(path: string): Promise<FileLock | null> {
    return this.#call('tryLock', path, () => {
      const place = follow(this.#machine, path, 'lock');
      const inode = place.inode ?? this.#make(place.volume, place.directory, place.name, 0o600);
      return place.volume.tryLock(inode, this.#process);
    });
  }

  get #machine(): SimProcess['machine'] {
    return this.#process.machine;
  }
  get #nowMs(): number {
    return this.#machine.wallOffsetMs + this.#machine.scheduler.nowMs;
  }

  #call<T>(site: string, path: string, act: () => T, costMs?: number): Promise<T> {
    const options = { delayMs: this.#trouble.delayMs(site), subject: path };
    return this.#process.call(
      `files.${site}`,
      () => this.#trouble.around(site, path, act),
      costMs === undefined ? options : { ...options, costMs },
    );
  }

  #make(volume: Volume, directory: DirectoryInode, name: string, mode: number): FileInode {
    const inode = volume.newFile(mode, this.#nowMs);
    volume.change({ directory, name, inode });
    return inode;
  }

  #truncate(volume: Volume, inode: FileInode): void {
    volume.allocate(inode, 0);
    inode.contents.truncate(0);
    inode.dirty.clear();
  }

  #mkdir({ volume, directory, name }: Place): void {
    volume.change({ directory, name, inode: volume.newDirectory(0o700, this.#nowMs) });
  }

  #makeWithParents(path: string): void {
    let made = '';
    for (const name of path.split('/').filter((part) => part !== '')) {
      made = `${made}/${name}`;
      const place = follow(this.#machine, made, 'mkdir');
      if (place.inode === null) this.#mkdir(place);
      else if (place.inode.kind !== 'directory')
        throw new SystemError(made === path ? 'EEXIST' : 'ENOTDIR', 'mkdir', made);
    }
  }

  #removeOne(path: string): boolean {
    let place: Place;
    try {
      place = locate(this.#machine, path, 'rm');
    } catch (error) {
      if (error instanceof SystemError && error.errno === 'ENOENT') return true;
      throw error;
    }
    if (place.inode === null) return true;
    let inode: Inode = place.inode;
    let { directory, name } = place;
    while (inode.kind === 'directory' && inode.entries.size > 0) {
      const [first] = inode.entries;
      assert(first !== undefined, 'the directory has an entry');
      directory = inode;
      [name, inode] = first;
    }
    place.volume.change({ directory, name, inode: null });
    return inode === place.inode;
  }
}
