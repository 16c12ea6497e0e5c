/** Writes what `tar --extract` of a guest reads: each entry with a pax header that says everything, so that no field is too small. */
import { concat, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { TAR_BLOCK_BYTES, tarChecksum, tarFields, tarPadding } from '../image/build/tar-format.ts';
import type { ArchiveEntry } from './entry.ts';
import { encodePaxRecords } from './pax-records.ts';

const types = { file: '0', hardlink: '1', symlink: '2', directory: '5', fifo: '6' } as const;
/** Names are in the pax headers; these are for tools that do not read them. */
const PAX_NAME = 'kelpie/pax';
const ENTRY_NAME = 'kelpie/entry';
/** Of 11 octal digits. */
const FIELD_MAX = 8 ** 11 - 1;

/** The headers of an entry; a file's bytes and `tarEnding` follow. */
export function encodeTarEntry(entry: ArchiveEntry): Bytes {
  const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  const records = encodePaxRecords([
    ['path', path],
    ...(entry.target === '' ? [] : [['linkpath', entry.target] as const]),
    ['mtime', entry.modified],
    ['uid', String(entry.uid)],
    ['gid', String(entry.gid)],
    ...(entry.kind === 'file' ? [['size', String(entry.sizeBytes)] as const] : []),
    ...Object.entries(entry.extended),
  ]);
  return concat([
    block({ name: PAX_NAME, type: 'x', mode: 0o600, sizeBytes: records.byteLength }),
    records,
    tarEnding(records.byteLength),
    block({ name: ENTRY_NAME, type: types[entry.kind], mode: entry.mode, sizeBytes: entry.sizeBytes }),
  ]);
}

/** The zeros after a file's bytes. */
export function tarEnding(sizeBytes: number): Bytes {
  return new Uint8Array(tarPadding(sizeBytes));
}

/** The two empty blocks at the end. */
export function tarEndMark(): Bytes {
  return new Uint8Array(2 * TAR_BLOCK_BYTES);
}

interface Block {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly sizeBytes: number;
}

function block({ name, type, mode, sizeBytes }: Block): Bytes {
  const bytes = new Uint8Array(TAR_BLOCK_BYTES);
  const put = ([start, length]: readonly [number, number], text: string): void =>
    bytes.set(utf8(text).subarray(0, length), start);
  const putOctal = (field: readonly [number, number], value: number): void =>
    put(field, value.toString(8).padStart(field[1] - 1, '0'));
  put(tarFields.name, name);
  putOctal(tarFields.mode, mode);
  putOctal(tarFields.uid, 0);
  putOctal(tarFields.gid, 0);
  // A larger one is in the pax header alone.
  putOctal(tarFields.size, sizeBytes <= FIELD_MAX ? sizeBytes : 0);
  putOctal(tarFields.modified, 0);
  put(tarFields.type, type);
  put(tarFields.magic, 'ustar\u000000');
  put(tarFields.checksum, `${tarChecksum(bytes).toString(8).padStart(6, '0')}\0 `);
  return bytes;
}
