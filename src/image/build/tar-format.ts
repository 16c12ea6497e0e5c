/** The parts of the tar format (POSIX ustar with GNU's long names, as dpkg-deb writes it) that both directions share. */

export const TAR_BLOCK_BYTES = 512;

/** What a header says; `size` is 0 for all but files. */
export interface TarHeader {
  /** Without `./` in front and `/` at the end; empty for the root itself. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink';
  /** Permission bits, with the set-id and sticky ones. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedSeconds: number;
  readonly sizeBytes: number;
  /** What a link points to; for a hard link a path like `path`. */
  readonly linkTarget: string;
}

type TarField =
  | 'name'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'size'
  | 'modified'
  | 'checksum'
  | 'type'
  | 'linkName'
  | 'magic'
  | 'prefix';

/** Header offsets and lengths, as in `struct posix_header` of POSIX.1-1988. */
export const tarFields: Readonly<Record<TarField, readonly [offset: number, length: number]>> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  modified: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
};

/** The sum of a header's bytes, with the checksum's own as spaces. */
export function tarChecksum(header: Uint8Array): number {
  const [start, length] = tarFields.checksum;
  let sum = 0;
  for (const [index, byte] of header.entries()) sum += index >= start && index < start + length ? 0x20 : byte;
  return sum;
}

/** How many zeros fill the last block of `sizeBytes`. */
export function tarPadding(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}
