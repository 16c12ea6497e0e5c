/** What is in the store, read past every program: as running systems see it, or as it would be after a loss of power. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isJsonObject } from '../../base/json.ts';
import type { DirectoryInode, FileInode, Inode } from '../disk/inode.ts';
import type { PageStore } from '../disk/page-store.ts';
import type { Bucket } from '../s3/bucket.ts';
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

/** An object of the store, by its key; null when there is none. What a service keeps is durable. */
export function objectAt({ store }: World, key: string, view: View): Bytes | null {
  if (store.kind === 's3') return store.bucket.objects.get(`${store.prefix}${key}`)?.body ?? null;
  return fileIn(store.volume.root, `${store.root}/${key}`, view);
}

/** The last parts of the keys under `folder`. */
export function objectNames({ store }: World, folder: string, view: View): readonly string[] {
  if (store.kind === 's3') {
    const prefix = `${store.prefix}${folder}/`;
    return [...store.bucket.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
  }
  const directory = directoryIn(store.volume.root, `${store.root}/${folder}`, view);
  return directory === null ? [] : [...entriesOf(directory, view).keys()];
}

/** Another number when an object, or on a disk any name, has changed since. */
export function storeVersion({ store }: World): number {
  return store.kind === 's3' ? store.bucket.changes : store.volume.changes;
}

/** The ownership record of every VM. */
export function newestRecords({ store }: World, view: View): readonly RecordSeen[] {
  if (store.kind === 's3') return recordsInBucket(store.bucket, `${store.prefix}ownership/`);
  const ownership = directoryIn(store.volume.root, `${store.root}/ownership`, view);
  if (ownership === null) return [];
  return [...entriesOf(ownership, view)].flatMap(([vmId, inode]) =>
    inode.kind === 'file' ? [recordInFile(vmId, contentsOf(inode, view))] : [],
  );
}

/** Oracles look again and again at records that did not change. */
const parsedRecords = new WeakMap<object, { readonly version: number; readonly record: RecordSeen }>();

function recordInFile(vmId: string, contents: PageStore): RecordSeen {
  return parsedOnce(vmId, contents, contents.version, () => contents.bytes());
}

function recordsInBucket({ objects }: Bucket, prefix: string): readonly RecordSeen[] {
  const records: RecordSeen[] = [];
  for (const [key, kept] of objects)
    // What is kept is never changed, but replaced.
    if (key.startsWith(prefix)) records.push(parsedOnce(key.slice(prefix.length), kept, 0, () => kept.body));
  return records;
}

function parsedOnce(vmId: string, of: object, version: number, bytes: () => Bytes): RecordSeen {
  const known = parsedRecords.get(of);
  if (known?.version === version) return known.record;
  const record = parseRecord(vmId, fromUtf8Lossy(bytes()));
  parsedRecords.set(of, { version, record });
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
