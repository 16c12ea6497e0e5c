/** Writes tar streams for `mksquashfs`: one text for one tree, since every field comes from the caller. */
import { assert } from '../../base/assert.ts';
import { concat, utf8 } from '../../base/bytes.ts';
import { TAR_BLOCK_BYTES, tarChecksum, tarFields, tarPadding } from './tar-format.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { TarHeader } from './tar-format.ts';

const GNU_MAGIC = 'ustar  ';
const types = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const;

/** A header, with GNU's long-name entries before it where they are needed. The file's bytes and `padding` follow. */
export function encodeTarHeader(header: TarHeader): Bytes {
  const path = utf8(
    header.kind === 'directory' ? `./${header.path}/`.replace('//', '/') : `./${header.path}`,
  );
  const link = utf8(header.kind === 'hardlink' ? `./${header.linkTarget}` : header.linkTarget);
  return concat([
    ...longText('K', link),
    ...longText('L', path),
    encodeTarBlock(header, { path, link, type: types[header.kind], magic: GNU_MAGIC }),
  ]);
}

/** The zeros after a file's bytes. */
export function encodeTarPadding(sizeBytes: number): Bytes {
  return new Uint8Array(tarPadding(sizeBytes));
}

/** The two empty blocks at the end. */
export function encodeTarEnd(): Bytes {
  return new Uint8Array(2 * TAR_BLOCK_BYTES);
}

function longText(type: 'K' | 'L', text: Bytes): readonly Bytes[] {
  if (text.byteLength <= tarFields.name[1]) return [];
  const bytes = concat([text, new Uint8Array(1)]);
  const header = { mode: 0o644, uid: 0, gid: 0, modifiedSeconds: 0 };
  const name = utf8('././@LongLink');
  return [
    encodeTarBlock({ ...header, sizeBytes: bytes.byteLength }, { path: name, type, magic: GNU_MAGIC }),
    bytes,
    encodeTarPadding(bytes.byteLength),
  ];
}

/** The fields of a header that are texts as they stand in it; they are cut where a field ends. */
export interface TarTexts {
  readonly path: Bytes;
  readonly link?: Bytes;
  readonly type: string;
  readonly magic: string;
}

/** One header. @throws AssertionFailed for a number that its field has no digits for. */
export function encodeTarBlock(
  header: Omit<TarHeader, 'path' | 'kind' | 'linkTarget'>,
  { path, link = new Uint8Array(0), type, magic }: TarTexts,
): Bytes {
  const bytes = new Uint8Array(TAR_BLOCK_BYTES);
  const put = (field: readonly [number, number], value: Bytes): void =>
    bytes.set(value.subarray(0, field[1]), field[0]);
  const putOctal = (field: readonly [number, number], value: number): void => {
    const digits = value.toString(8).padStart(field[1] - 1, '0');
    assert(digits.length < field[1], `${value} does not fit into a tar header`);
    put(field, utf8(digits));
  };
  put(tarFields.name, path);
  putOctal(tarFields.mode, header.mode);
  putOctal(tarFields.uid, header.uid);
  putOctal(tarFields.gid, header.gid);
  putOctal(tarFields.size, header.sizeBytes);
  putOctal(tarFields.modified, header.modifiedSeconds);
  put(tarFields.type, utf8(type));
  put(tarFields.linkName, link);
  put(tarFields.magic, utf8(magic));
  put(tarFields.checksum, utf8(`${tarChecksum(bytes).toString(8).padStart(6, '0')}\0 `));
  return bytes;
}
