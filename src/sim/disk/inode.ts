/** What a volume holds, as a running system sees it and as it would be after a loss of power. */
import { PageStore } from './page-store.ts';

interface Common {
  readonly number: number;
  mode: number;
  modifiedMs: number;
  links: number;
}

export interface FileInode extends Common {
  readonly kind: 'file';
  contents: PageStore;
  /** What is on the medium. */
  durable: PageStore;
  /** Pages written since the last sync. */
  readonly dirty: Set<number>;
}

export interface DirectoryInode extends Common {
  readonly kind: 'directory';
  readonly entries: Map<string, Inode>;
  /** What is on the medium. */
  readonly durable: Map<string, Inode>;
}

export interface SymlinkInode extends Common {
  readonly kind: 'symlink';
  readonly target: string;
}

export interface SocketInode extends Common {
  readonly kind: 'socket';
}

export type Inode = FileInode | DirectoryInode | SymlinkInode | SocketInode;

export function fileInode(number: number, mode: number, modifiedMs: number): FileInode {
  return {
    kind: 'file',
    number,
    mode,
    modifiedMs,
    links: 0,
    contents: new PageStore(),
    durable: new PageStore(),
    dirty: new Set(),
  };
}

export function directoryInode(number: number, mode: number, modifiedMs: number): DirectoryInode {
  return { kind: 'directory', number, mode, modifiedMs, links: 0, entries: new Map(), durable: new Map() };
}

/** Contents and size are on the medium now. */
export function syncFile(inode: FileInode): void {
  inode.durable = inode.contents.copy();
  inode.dirty.clear();
}
