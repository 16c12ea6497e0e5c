/**
 * The root file system as a tar stream in the making: packages' entries and our own, in one deterministic order, each
 * path once. Nothing is unpacked on the host, so owners, modes and links are right without being root.
 */
import { posixDirectory } from './posix-path.ts';
import { KelpieError } from '../../base/errors.ts';
import { concat } from '../../base/bytes.ts';
import { encodeTarEnd, encodeTarHeader, encodeTarPadding } from '../build/tar-writer.ts';
import { CAPTURED_FILE_BYTES_MAX, ROOT_ENTRIES_MAX } from '../limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { TarEntry } from '../build/tar-reader.ts';
import type { TarHeader } from '../build/tar-format.ts';

/** An entry of ours. Folders that it needs are made. */
export type OwnEntry = {
  readonly path: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
} & (
  | { readonly kind: 'file'; readonly content: Bytes }
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: string }
);

export class RootTree {
  readonly #kinds = new Map<string, TarHeader['kind']>();
  readonly #newestSeconds: number;

  /** @param newestSeconds what our own files get as their time, and what no packaged file exceeds: the clock must not matter. */
  constructor(newestSeconds: number) {
    this.#newestSeconds = newestSeconds;
  }

  has(path: string): boolean {
    return this.#kinds.has(path);
  }

  /** Every path under a folder, sorted. */
  pathsUnder(directory: string): readonly string[] {
    return [...this.#kinds.keys()].filter((path) => path.startsWith(`${directory}/`)).toSorted();
  }

  /**
   * The bytes of a package's entry at `header.path`; nothing when the path is taken. The first wins: a folder comes
   * with every package that has a file in it.
   * @param onContent gets a file's bytes whole; only asked for small ones.
   */
  async *addPackageEntry(
    entry: TarEntry,
    header: TarHeader,
    onContent: ((content: Bytes) => void) | null,
  ): AsyncGenerator<Bytes> {
    if (header.kind === 'hardlink' && !this.has(header.linkTarget)) {
      throw new KelpieError(
        'image_build_failed',
        `A package links ${header.path} to ${header.linkTarget}, which is not there.`,
      );
    }
    if (!this.#claim(header)) return;
    yield* this.#parents(header);
    yield encodeTarHeader({
      ...header,
      modifiedSeconds: Math.min(header.modifiedSeconds, this.#newestSeconds),
    });
    if (header.kind !== 'file') return;
    if (onContent === null) yield* entry.content;
    else {
      const content = await readContent(entry.content, header);
      onContent(content);
      yield content;
    }
    yield encodeTarPadding(header.sizeBytes);
  }

  /** The bytes of an entry of ours; nothing when a package has brought that path: a newer release may do so itself. */
  *addOwn(entry: OwnEntry): Generator<Bytes> {
    const header: TarHeader = {
      path: entry.path,
      kind: entry.kind,
      mode: entry.mode ?? { file: 0o644, directory: 0o755, symlink: 0o777 }[entry.kind],
      uid: entry.uid ?? 0,
      gid: entry.gid ?? 0,
      modifiedSeconds: this.#newestSeconds,
      sizeBytes: entry.kind === 'file' ? entry.content.byteLength : 0,
      linkTarget: entry.kind === 'symlink' ? entry.target : '',
    };
    if (!this.#claim(header)) return;
    yield* this.#parents(header);
    yield encodeTarHeader(header);
    if (entry.kind !== 'file') return;
    yield entry.content;
    yield encodeTarPadding(header.sizeBytes);
  }

  /** The end of the stream. */
  end(): Bytes {
    return encodeTarEnd();
  }

  *#parents(header: TarHeader): Generator<Bytes> {
    const parent = posixDirectory(header.path);
    if (parent === '' || this.has(parent)) return;
    const directory = {
      ...header,
      path: parent,
      kind: 'directory',
      mode: 0o755,
      uid: 0,
      gid: 0,
      sizeBytes: 0,
      linkTarget: '',
    } as const;
    this.#claim(directory);
    yield* this.#parents(directory);
    yield encodeTarHeader(directory);
  }

  #claim(header: TarHeader): boolean {
    if (this.#kinds.has(header.path)) return false;
    if (this.#kinds.size >= ROOT_ENTRIES_MAX) {
      throw new KelpieError(
        'image_build_failed',
        `The root file system would have more than ${ROOT_ENTRIES_MAX} entries.`,
      );
    }
    this.#kinds.set(header.path, header.kind);
    return true;
  }
}

/** A small file's bytes. @throws KelpieError `image_build_failed` when it is not small. */
export async function readContent(content: AsyncIterable<Bytes>, header: TarHeader): Promise<Bytes> {
  if (header.sizeBytes > CAPTURED_FILE_BYTES_MAX) {
    throw new KelpieError('image_build_failed', `A package's ${header.path} is larger than expected.`);
  }
  const parts: Bytes[] = [];
  for await (const part of content) parts.push(part.slice());
  return concat(parts);
}
