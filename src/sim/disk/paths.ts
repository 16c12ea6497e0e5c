/** From a path to what it names. */
import { SystemError } from '../../env/system-error.ts';
import type { Machine } from '../machine.ts';
import type { DirectoryInode, Inode } from './inode.ts';
import type { Volume } from './volume.ts';

const SYMLINKS_MAX = 40;
/** Parsed paths that are kept: programs ask for the same ones again and again. */
const PARSED_PATHS_MAX = 20_000;

/** Where a name is, whether or not something has it. */
export interface Place {
  readonly volume: Volume;
  readonly directory: DirectoryInode;
  readonly name: string;
  /** What has the name; a link itself, not what it names. */
  readonly inode: Inode | null;
}

/** @throws SystemError when a directory on the way is missing or none. `/` itself has the name ``. */
export function locate(machine: Machine, path: string, act: string, links = 0): Place {
  if (links > SYMLINKS_MAX) throw new SystemError('ELOOP', act, path);
  const names = namesOf(path);
  if (names === null) throw new SystemError('EINVAL', act, path);
  const { volume, depth } = machine.mountOf(names);
  let directory = volume.root;
  for (let index = depth; index < names.length - 1; index += 1) {
    const inode = directory.entries.get(names[index] ?? '');
    if (inode === undefined) throw new SystemError('ENOENT', act, path);
    if (inode.kind === 'symlink') {
      const parent = `/${names.slice(0, index).join('/')}`;
      const target = inode.target.startsWith('/') ? inode.target : `${parent}/${inode.target}`;
      return locate(machine, `${target}/${names.slice(index + 1).join('/')}`, act, links + 1);
    }
    if (inode.kind !== 'directory') throw new SystemError('ENOTDIR', act, path);
    directory = inode;
  }
  const name = names.length === depth ? '' : (names.at(-1) ?? '');
  const inode = name === '' ? volume.root : (directory.entries.get(name) ?? null);
  return { volume, directory, name, inode };
}

/** What a path names, links followed. @throws SystemError `ENOENT` … */
export function lookup(
  machine: Machine,
  path: string,
  act: string,
): { readonly volume: Volume; readonly inode: Inode } {
  const place = follow(machine, path, act);
  if (place.inode === null) throw new SystemError('ENOENT', act, path);
  return { volume: place.volume, inode: place.inode };
}

/** Like `locate`, with a link as the last name followed. */
export function follow(machine: Machine, path: string, act: string): Place {
  let place = locate(machine, path, act);
  let current = path;
  for (let links = 0; place.inode?.kind === 'symlink'; links += 1) {
    if (links > SYMLINKS_MAX) throw new SystemError('ELOOP', act, path);
    const { target } = place.inode;
    current = target.startsWith('/') ? target : `${current.slice(0, current.lastIndexOf('/'))}/${target}`;
    place = locate(machine, current, act);
  }
  return place;
}

/** A directory that exists. @throws SystemError `ENOENT`, `ENOTDIR`. */
export function directoryAt(machine: Machine, path: string, act: string): DirectoryInode {
  const { inode } = lookup(machine, path, act);
  if (inode.kind !== 'directory') throw new SystemError('ENOTDIR', act, path);
  return inode;
}

/** The volume that a path is on, whether or not anything has the path. */
export function volumeOf(machine: Machine, path: string): Volume {
  return machine.mountOf(namesOf(path) ?? []).volume;
}

const parsedPaths = new Map<string, readonly string[] | null>();

/** The names that a path goes through, without `.` and `..`; null when it is no absolute path. */
function namesOf(path: string): readonly string[] | null {
  const known = parsedPaths.get(path);
  if (known !== undefined) return known;
  if (parsedPaths.size >= PARSED_PATHS_MAX) parsedPaths.clear();
  const names = path.startsWith('/') && !path.includes('\0') ? parsePath(path) : null;
  parsedPaths.set(path, names);
  return names;
}

function parsePath(path: string): readonly string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') names.pop();
    else names.push(name);
  }
  return names;
}

/** Without doubled and trailing slashes, `.` and `..`. */
export function normalized(path: string): string {
  return `/${parsePath(path).join('/')}`;
}
