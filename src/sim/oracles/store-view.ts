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

export function bytesOf(inode: Inode | undefined, view: View): Bytes | null {
  if (inode?.kind !== 'file') return null;
  const contents = view === 'cached' ? inode.contents : inode.durable;
  const bytes = new Uint8Array(contents.sizeBytes);
  contents.read(bytes, 0);
  return bytes;
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

/** An object of the store, by its key; null when there is none. */
export function objectAt(world: World, key: string, view: View): Bytes | null {
  const end = key.lastIndexOf('/');
  const directory = directoryIn(world.storeVolume.root, `${world.storeRoot}/${key.slice(0, end)}`, view);
  return directory === null ? null : bytesOf(entriesOf(directory, view).get(key.slice(end + 1)), view);
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
  const contents = view === 'cached' ? inode.contents : inode.durable;
  const known = parsedRecords.get(contents);
  if (known?.version === contents.version) return known.record;
  const bytes = new Uint8Array(contents.sizeBytes);
  contents.read(bytes, 0);
  const record = parseRecord(vmId, fromUtf8Lossy(bytes));
  parsedRecords.set(contents, { version: contents.version, record });
  return record;
}

function parseRecord(vmId: string, text: string): RecordSeen {
  const damaged = { vmId, revision: -1, epoch: -1, state: 'damaged', owner: null, packageId: null, text };
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return damaged;
  }
  if (!isJsonObject(record)) return damaged;
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
