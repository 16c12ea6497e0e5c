/** Reads what `tar --format=pax` of a guest writes. Nothing of it is trusted, and nothing of it is ever unpacked on the host. */
import { ByteReader } from '../base/byte-reader.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { TAR_BLOCK_BYTES, tarChecksum, tarFields, tarPadding } from '../image/build/tar-format.ts';
import { byteText, readable } from './byte-text.ts';
import { entrySchema, extendedPattern } from './entry.ts';
import type { ArchiveEntry } from './entry.ts';
import { ENTRY_PATH_BYTES_MAX, EXTENDED_BYTES_MAX } from './limits.ts';
import { parsePaxRecords } from './pax-records.ts';

export interface TarMember {
  readonly entry: ArchiveEntry;
  /** The bytes of a file, to be read to their end before the next member. */
  readonly content: AsyncIterable<Bytes>;
}

const PAX_BYTES_MAX = EXTENDED_BYTES_MAX + 4 * ENTRY_PATH_BYTES_MAX;
/** Facts of a pax header that say nothing that we keep. */
const ignoredKeys = new Set(['atime', 'ctime', 'comment', 'charset', 'hdrcharset', 'uname', 'gname']);

const kinds: Readonly<Record<string, ArchiveEntry['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'directory',
  '6': 'fifo',
};

/**
 * The members in their order. A stream that ends before its end mark ends them: how the command fared that wrote it tells whether that is all.
 * @throws KelpieError `guest_protocol_error` for what is no such stream; `checkpoint_invalid` for a device.
 */
export async function* readGuestTar(stream: AsyncIterable<Bytes>): AsyncGenerator<TarMember, void> {
  const source = new ByteReader(stream, () => malformed('they end in the middle'));
  try {
    let records: ReadonlyMap<string, string> = new Map();
    for (;;) {
      const block = await source.exactly(TAR_BLOCK_BYTES);
      if (block === null || block.every((byte) => byte === 0)) break;
      if (octal(block, tarFields.checksum) !== tarChecksum(block)) throw malformed('a checksum is wrong');
      const type = String.fromCharCode(block[tarFields.type[0]] ?? 0);
      if (type === 'x' || type === 'g') {
        const parsed = await readRecords(source, octal(block, tarFields.size));
        // A global header of GNU tar has nothing that we keep.
        if (type === 'x') records = parsed;
        continue;
      }
      const entry = toEntry(block, type, records);
      records = new Map();
      yield { entry, content: source.take(entry.sizeBytes) };
      const padding = tarPadding(entry.sizeBytes);
      if (padding > 0) await source.exactly(padding);
    }
    // What follows the end mark is padding; reading it lets the guest's command end well.
    while ((await source.next(TAR_BLOCK_BYTES)) !== null);
  } finally {
    await source.close();
  }
}

async function readRecords(source: ByteReader, sizeBytes: number): Promise<ReadonlyMap<string, string>> {
  if (sizeBytes === 0 || sizeBytes > PAX_BYTES_MAX) throw malformed('a header is too long');
  const bytes = await source.exactly(sizeBytes + tarPadding(sizeBytes));
  if (bytes === null) throw malformed('they end in the middle');
  const records = parsePaxRecords(bytes.subarray(0, sizeBytes));
  if (records === null) throw malformed('a header cannot be read');
  return records;
}

function toEntry(block: Bytes, type: string, records: ReadonlyMap<string, string>): ArchiveEntry {
  const prefix = text(block, tarFields.prefix);
  const name = text(block, tarFields.name);
  const path = plain(records.get('path') ?? (prefix === '' ? name : `${prefix}/${name}`));
  const kind = kinds[type];
  if (kind === undefined) throw unmovable(path, type);
  const link = records.get('linkpath') ?? text(block, tarFields.linkName);
  const parsed = entrySchema.safeParse({
    path,
    kind,
    mode: octal(block, tarFields.mode) & 0o7777,
    uid: whole(records.get('uid')) ?? octal(block, tarFields.uid),
    gid: whole(records.get('gid')) ?? octal(block, tarFields.gid),
    modified: records.get('mtime') ?? String(octal(block, tarFields.modified)),
    sizeBytes: kind === 'file' ? (whole(records.get('size')) ?? octal(block, tarFields.size)) : 0,
    target: kind === 'hardlink' ? plain(link) : kind === 'symlink' ? link : '',
    extended: extendedOf(records),
  } satisfies ArchiveEntry);
  if (!parsed.success) throw malformed('a header is out of bounds');
  return parsed.data;
}

function extendedOf(records: ReadonlyMap<string, string>): Record<string, string> {
  const extended: Record<string, string> = {};
  for (const [key, value] of records) {
    if (extendedPattern.test(key)) extended[key] = value;
    else if (!isKnown(key)) throw malformed('a header says what is not understood');
  }
  return extended;
}

function isKnown(key: string): boolean {
  return ['path', 'linkpath', 'size', 'uid', 'gid', 'mtime'].includes(key) || ignoredKeys.has(key);
}

function unmovable(path: string, type: string): KelpieError {
  if (type !== '3' && type !== '4') return malformed('something is neither file, folder nor link');
  return new KelpieError(
    'checkpoint_invalid',
    `the workspace has a device, /${readable(path)}, which does not exist elsewhere: declare the workspace without it.`,
  );
}

/** Folders end with a slash. */
function plain(path: string): string {
  return path.replace(/\/+$/, '');
}

function text(block: Bytes, [start, length]: readonly [number, number]): string {
  const bytes = block.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return byteText(end < 0 ? bytes : bytes.subarray(0, end));
}

function whole(digits: string | undefined): number | undefined {
  if (digits === undefined) return undefined;
  if (!/^\d{1,15}$/.test(digits)) throw malformed('a number is wrong');
  return Number(digits);
}

function octal(block: Bytes, field: readonly [number, number]): number {
  const digits = text(block, field).trim();
  if (!/^[0-7]{1,12}$/.test(digits)) throw malformed('a number is wrong');
  return Number(`0o${digits}`);
}

function malformed(why: string): KelpieError {
  return new KelpieError('guest_protocol_error', `the files of the workspace cannot be read: ${why}.`);
}
