/** What is in the store, read past every program: as running systems see it, or as it would be after a loss of power. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isJsonObject } from '../../base/json.ts';
import type { DirectoryInode, FileInode, Inode } from '../disk/inode.ts';
import type { PageStore } from '../disk/page-store.ts';
import type { World } from '../world/world.ts';

/** `cached`: what programs see. `durable`: what is promised to survive. */
export type View = 'cached' | 'durable';

export interface RecordSeen {
  readonly vmId: string;
  readonly revision: number;
  readonly epoch: number;
  readonly state: string;
  readonly owner: string | null;
  readonly packageId: string | null;
  readonly text: string;
}

export function entriesOf(directory: DirectoryInode, view: View): ReadonlyMap<string, Inode> {
  return view === 'cached' ? directory.entries : directory.durable;
}

function contentsOf(inode: FileInode, view: View): PageStore {
  return view === 'cached' ? inode.contents : inode.durable;
}

/** A directory of the store, or of any volume; null when there is none. */
export function directoryIn(root: DirectoryInode, path: string, view: View): DirectoryInode | null {
  let directory = root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const next = entriesOf(directory, view).get(name);
    if (next?.kind !== 'directory') return null;
    directory = next;
  }
  return directory;
}

/** A file of the store, or of any volume; null when there is none. */
export function fileIn(root: DirectoryInode, path: string, view: View): Bytes | null {
  const end = path.lastIndexOf('/');
  const directory = directoryIn(root, path.slice(0, end), view);
  const inode = directory === null ? undefined : entriesOf(directory, view).get(path.slice(end + 1));
  return inode?.kind === 'file' ? contentsOf(inode, view).bytes() : null;
}

/** An object of the store, by its key; null when there is none. */
export function objectAt(world: World, key: string, view: View): Bytes | null {
  return fileIn(world.storeVolume.root, `${world.storeRoot}/${key}`, view);
}

/** The ownership record of every VM. */
export function newestRecords(world: World, view: View): readonly RecordSeen[] {
  const ownership = directoryIn(world.storeVolume.root, `${world.storeRoot}/ownership`, view);
  if (ownership === null) return [];
  return [...entriesOf(ownership, view)].flatMap(([vmId, inode]) =>
    inode.kind === 'file' ? [recordIn(vmId, inode, view)] : [],
  );
}

/** Oracles look again and again at records that did not change. */
const parsedRecords = new WeakMap<PageStore, { readonly version: number; readonly record: RecordSeen }>();

function recordIn(vmId: string, inode: FileInode, view: View): RecordSeen {
  const contents = contentsOf(inode, view);
  const known = parsedRecords.get(contents);
  if (known?.version === contents.version) return known.record;
  const record = parseRecord(vmId, fromUtf8Lossy(contents.bytes()));
  parsedRecords.set(contents, { version: contents.version, record });
  return record;
}

function parseRecord(vmId: string, text: string): RecordSeen {
  const record = jsonObjectIn(text);
  if (record === null)
    return { vmId, revision: -1, epoch: -1, state: 'damaged', owner: null, packageId: null, text };
  const word = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return {
    vmId,
    revision: Number(record['revision']),
    epoch: Number(record['epoch']),
    state: word(record['state']) ?? '',
    owner: word(record['owner']),
    packageId: word(record['packageId']),
    text,
  };
}

/** Null when it is damaged: torn by a loss of power, or no object. */
export function jsonObjectIn(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}
