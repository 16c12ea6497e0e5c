/**
 * Writes an initramfs archive: cpio in the "new ASCII" format, documented in the kernel's
 * `Documentation/driver-api/early-userspace/buffer-format.rst`. One text for one list of entries.
 */
import { assert } from '../../base/assert.ts';
import { concat, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';

export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Bytes }
  | {
      readonly kind: 'character';
      readonly path: string;
      readonly mode: number;
      readonly device: readonly [number, number];
    };

const typeBits = { directory: 0o040000, file: 0o100000, character: 0o020000 } as const;
const TRAILER = 'TRAILER!!!';

/** The archive of the entries in their order, parents before children, all owned by root and without times. */
export function encodeCpio(entries: readonly CpioEntry[]): Bytes {
  const parts = entries.flatMap((entry, index) => encodeEntry(entry, index + 1));
  return concat([
    ...parts,
    ...encodeParts(TRAILER, { inode: 0, mode: 0, device: [0, 0] }, new Uint8Array(0)),
  ]);
}

function encodeEntry(entry: CpioEntry, inode: number): readonly Bytes[] {
  const content = entry.kind === 'file' ? entry.content : new Uint8Array(0);
  const device = entry.kind === 'character' ? entry.device : ([0, 0] as const);
  return encodeParts(entry.path, { inode, mode: typeBits[entry.kind] | entry.mode, device }, content);
}

interface EntryNumbers {
  readonly inode: number;
  readonly mode: number;
  readonly device: readonly [number, number];
}

function encodeParts(path: string, numbers: EntryNumbers, content: Bytes): readonly Bytes[] {
  assert(!path.startsWith('/'), `${path} is not relative`);
  const name = utf8(`${path}\0`);
  const fields = [
    numbers.inode,
    numbers.mode,
    0, // owner
    0, // group
    1, // links
    0, // modification time
    content.byteLength,
    0, // device of the archive, major
    0, // and minor
    numbers.device[0],
    numbers.device[1],
    name.byteLength,
    0, // checksum: none in this format
  ];
  const header = utf8(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.byteLength + name.byteLength), content, padding(content.byteLength)];
}

/** Names and contents end on a multiple of four bytes. */
function padding(length: number): Bytes {
  return new Uint8Array((4 - (length % 4)) % 4);
}
