/** Writes what `tar --extract` of a guest reads: each entry with a pax header that says everything, so that no field is too small. */
import { concat, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { encodeTarBlock, encodeTarPadding } from '../image/build/tar-writer.ts';
import type { ArchiveEntry } from './entry.ts';
import { encodePaxRecords } from './pax-records.ts';

const types = { file: '0', hardlink: '1', symlink: '2', directory: '5', fifo: '6' } as const;
/** Names are in the pax headers; these are for tools that do not read them. */
const PAX_NAME = 'kelpie/pax';
const ENTRY_NAME = 'kelpie/entry';
/** Of 11 octal digits. */
const FIELD_MAX = 8 ** 11 - 1;
const POSIX_MAGIC = 'ustar\u000000';

/** The headers of an entry; a file's bytes and `encodeTarPadding` follow. */
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
    block(PAX_NAME, 'x', 0o600, records.byteLength),
    records,
    encodeTarPadding(records.byteLength),
    // A larger one is in the pax header alone.
    block(ENTRY_NAME, types[entry.kind], entry.mode, entry.sizeBytes <= FIELD_MAX ? entry.sizeBytes : 0),
  ]);
}

function block(path: string, type: string, mode: number, sizeBytes: number): Bytes {
  const header = { mode, uid: 0, gid: 0, modifiedSeconds: 0, sizeBytes };
  return encodeTarBlock(header, { path: utf8(path), type, magic: POSIX_MAGIC });
}
