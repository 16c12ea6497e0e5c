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

/** The newest ownership record of every VM. */
export function newestRecords(world: World, view: View): readonly RecordSeen[] {
  const ownership = directoryIn(world.storeVolume.root, `${world.storeRoot}/ownership`, view);
  const records: RecordSeen[] = [];
  if (ownership === null) return records;
  for (const [vmId, directory] of entriesOf(ownership, view)) {
    if (directory.kind !== 'directory') continue;
    const newest = newestRevision(directory, view);
    if (newest?.inode.kind === 'file') records.push(recordIn(vmId, newest.revision, newest.inode, view));
  }
  return records;
}

function newestRevision(
  directory: DirectoryInode,
  view: View,
): { readonly revision: number; readonly inode: Inode } | null {
  let newest: { revision: number; inode: Inode } | null = null;
  for (const [name, inode] of entriesOf(directory, view)) {
    const revision = /^\d+\.json$/.test(name) ? Number.parseInt(name, 10) : -1;
    if (revision > (newest?.revision ?? -1)) newest = { revision, inode };
  }
  return newest;
}

/** Oracles look again and again at records that did not change. */
const parsedRecords = new WeakMap<PageStore, { readonly version: number; readonly record: RecordSeen }>();

function recordIn(vmId: string, revision: number, inode: FileInode, view: View): RecordSeen {
  const contents = view === 'cached' ? inode.contents : inode.durable;
  const known = parsedRecords.get(contents);
  if (known?.version === contents.version) return known.record;
  const bytes = new Uint8Array(contents.sizeBytes);
  contents.read(bytes, 0);
  const record = parseRecord(vmId, revision, fromUtf8Lossy(bytes));
  parsedRecords.set(contents, { version: contents.version, record });
  return record;
}

function parseRecord(vmId: string, revision: number, text: string): RecordSeen {
  const damaged = { vmId, revision, epoch: -1, state: 'damaged', owner: null, packageId: null, text };
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
    revision,
    epoch: Number(record['epoch']),
    state: word(record['state']) ?? '',
    owner: word(record['owner']),
    packageId: word(record['packageId']),
    text,
  };
}
