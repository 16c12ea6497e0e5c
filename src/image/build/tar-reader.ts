/** Reads the tar streams of Debian packages. */
import { ByteReader } from '../../base/byte-reader.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { TAR_PATH_BYTES_MAX } from '../limits.ts';
import { TAR_BLOCK_BYTES, tarChecksum, tarFields, tarPadding } from './tar-format.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { TarHeader } from './tar-format.ts';

export interface TarEntry {
  readonly header: TarHeader;
  /** The bytes of a file. Read it before the next entry, once, or not at all. */
  readonly content: AsyncIterable<Bytes>;
}

const kinds: Readonly<Record<string, TarHeader['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
};

/**
 * The entries in their order.
 * @throws KelpieError `image_build_failed` for what is not such a tar, or has what no package should: devices, `..`.
 */
export async function* readTar(stream: AsyncIterable<Bytes>): AsyncGenerator<TarEntry, void> {
  const source = new ByteReader(
    stream,
    () => new KelpieError('image_build_failed', 'A package ends in the middle; remove it from the cache.'),
  );
  try {
    let longName: string | null = null;
    let longLink: string | null = null;
    for (;;) {
      const block = await source.exactly(TAR_BLOCK_BYTES);
      if (block === null || block.every((byte) => byte === 0)) break;
      const { type, header } = parseHeader(block, longName, longLink);
      if (type === 'L' || type === 'K') {
        const path = await readLongPath(source, header.sizeBytes);
        if (type === 'L') longName = path;
        else longLink = path;
        continue;
      }
      longName = null;
      longLink = null;
      const content = new EntryContent(source, header.sizeBytes);
      yield { header, content };
      await content.skip();
    }
    // What follows the end mark is padding; reading it lets the writing tool end well.
    while ((await source.next(TAR_BLOCK_BYTES)) !== null);
  } finally {
    await source.close();
  }
}

class EntryContent implements AsyncIterable<Bytes> {
  readonly #source: ByteReader;
  #left: number;
  #padding: number;

  constructor(source: ByteReader, sizeBytes: number) {
    this.#source = source;
    this.#left = sizeBytes;
    this.#padding = tarPadding(sizeBytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes, void> {
    while (this.#left > 0) {
      const part = await this.#source.next(this.#left);
      if (part === null) throw malformed('it ends in the middle of a file');
      this.#left -= part.byteLength;
      yield part;
    }
  }

  async skip(): Promise<void> {
    for (let left = this.#left + this.#padding; left > 0;) {
      const part = await this.#source.next(left);
      if (part === null) throw malformed('it ends in the middle of a file');
      left -= part.byteLength;
    }
    this.#left = 0;
    this.#padding = 0;
  }
}

async function readLongPath(source: ByteReader, sizeBytes: number): Promise<string> {
  if (sizeBytes > TAR_PATH_BYTES_MAX) throw malformed('a path is too long');
  const bytes = await source.exactly(sizeBytes + tarPadding(sizeBytes));
  if (bytes === null) throw malformed('it ends in the middle of a path');
  return untilZero(bytes.subarray(0, sizeBytes));
}

function parseHeader(
  block: Bytes,
  longName: string | null,
  longLink: string | null,
): { type: string; header: TarHeader } {
  if (octal(block, tarFields.checksum) !== tarChecksum(block)) throw malformed('a checksum is wrong');
  const type = String.fromCharCode(block[tarFields.type[0]] ?? 0);
  const sizeBytes = octal(block, tarFields.size);
  const prefix = isPosix(block) ? text(block, tarFields.prefix) : '';
  const name =
    longName ?? (prefix === '' ? text(block, tarFields.name) : `${prefix}/${text(block, tarFields.name)}`);
  const link = longLink ?? text(block, tarFields.linkName);
  if (type === 'L' || type === 'K') {
    const header = {
      path: '',
      kind: 'file',
      mode: 0,
      uid: 0,
      gid: 0,
      modifiedSeconds: 0,
      sizeBytes,
      linkTarget: '',
    } as const;
    return { type, header };
  }
  const kind = kinds[type];
  if (kind === undefined) throw malformed(`it has an entry of type "${type}"`);
  const header = {
    path: plainPath(name),
    kind,
    mode: octal(block, tarFields.mode) & 0o7777,
    uid: octal(block, tarFields.uid),
    gid: octal(block, tarFields.gid),
    modifiedSeconds: octal(block, tarFields.modified),
    sizeBytes: kind === 'file' ? sizeBytes : 0,
    linkTarget: kind === 'hardlink' ? plainPath(link) : kind === 'symlink' ? link : '',
  };
  return { type, header };
}

/** GNU's headers say `ustar` and two spaces, and use the prefix field for other things. */
function isPosix(block: Bytes): boolean {
  const [start] = tarFields.magic;
  return block[start + 5] === 0;
}

function plainPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw malformed('a path leaves the package');
  return parts.join('/');
}

function text(block: Bytes, [start, length]: readonly [number, number]): string {
  return untilZero(block.subarray(start, start + length));
}

function untilZero(bytes: Bytes): string {
  const end = bytes.indexOf(0);
  return fromUtf8(end < 0 ? bytes : bytes.subarray(0, end));
}

function octal(block: Bytes, field: readonly [number, number]): number {
  const digits = text(block, field).trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw malformed('a number is wrong');
  return Number(`0o${digits}`);
}

function malformed(why: string): KelpieError {
  return new KelpieError('image_build_failed', `A package's contents are not understood: ${why}.`);
}
