/**
 * What an archive may hold, checked entry by entry, when it comes from a guest and again when it comes from a store: everything lies in the declared
 * workspace, each folder comes before what is in it, and a hard link names a file that came before. So nothing in it is written through a link.
 */
import type { ArchiveEntry } from './entry.ts';
import { ENTRIES_MAX, ENTRY_PATH_BYTES_MAX } from './limits.ts';

export class EntryRules {
  /** Without slashes around. */
  readonly #roots: readonly string[];
  readonly #kinds = new Map<string, ArchiveEntry['kind']>();

  /** @param roots absolute paths of the workspace. */
  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => root.slice(1));
  }

  get count(): number {
    return this.#kinds.size;
  }

  /** It can have no more. */
  get isFull(): boolean {
    return this.#kinds.size >= ENTRIES_MAX;
  }

  /** Why the archive cannot have this entry next; null when it can, which is then remembered. */
  admit(entry: ArchiveEntry): string | null {
    const fault = this.#fault(entry);
    if (fault === null) this.#kinds.set(entry.path, entry.kind);
    return fault;
  }

  #fault({ path, kind, target, sizeBytes }: ArchiveEntry): string | null {
    if (this.isFull) return `it has more than ${ENTRIES_MAX} files`;
    if (path.length > ENTRY_PATH_BYTES_MAX || !isPlain(path)) return 'a path in it is not plain';
    if (this.#kinds.has(path)) return 'a path comes twice';
    if (!this.#isInside(path)) return 'a path lies outside of the workspace';
    if (kind === 'hardlink' && this.#kinds.get(target) !== 'file') return 'a hard link names no file of it';
    if (kind === 'symlink' && (target === '' || target.includes('\0'))) return 'a link leads nowhere';
    if (kind !== 'file' && sizeBytes !== 0) return 'something that is no file has bytes';
    return null;
  }

  #isInside(path: string): boolean {
    if (this.#roots.includes(path)) return true;
    return this.#kinds.get(path.slice(0, Math.max(0, path.lastIndexOf('/')))) === 'directory';
  }
}

/** True for `a/b`, and not for `/a`, `a//b`, `a/../b` and what has a NUL. */
export function isPlain(path: string): boolean {
  if (path.includes('\0')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
