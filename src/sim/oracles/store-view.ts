/** What is in the store, read past every program: as running systems see it, or as it would be after a loss of power. */
import { z } from 'zod';
import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { DirectoryInode, Inode } from '../disk/inode.ts';
import { parseJson } from '../parse-json.ts';
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
    const newest = revisionsIn(directory, view).at(-1);
    const record =
      newest === undefined ? null : parseRecord(vmId, newest.revision, bytesOf(newest.inode, view));
    if (record !== null) records.push(record);
  }
  return records;
}

function revisionsIn(
  directory: DirectoryInode,
  view: View,
): readonly { readonly revision: number; readonly inode: Inode }[] {
  return [...entriesOf(directory, view)]
    .flatMap(([name, inode]) =>
      /^\d+\.json$/.test(name) ? [{ revision: Number.parseInt(name, 10), inode }] : [],
    )
    .toSorted((a, b) => a.revision - b.revision);
}

function parseRecord(vmId: string, revision: number, bytes: Bytes | null): RecordSeen | null {
  if (bytes === null) return null;
  const text = fromUtf8Lossy(bytes);
  try {
    const record = parseJson(z.record(z.string(), z.unknown()), text);
    const word = (name: string): string | null => (typeof record[name] === 'string' ? record[name] : null);
    return {
      vmId,
      revision,
      epoch: Number(record['epoch']),
      state: word('state') ?? '',
      owner: word('owner'),
      packageId: word('packageId'),
      text,
    };
  } catch {
    return { vmId, revision, epoch: -1, state: 'damaged', owner: null, packageId: null, text };
  }
}
