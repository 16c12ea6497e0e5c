/** A file, folder or link of a workspace, as it goes into an archive and comes out of it. Texts have one character for each byte. */
import { z } from 'zod';
import { byteTextPattern } from './byte-text.ts';
import { ENTRY_PATH_BYTES_MAX, EXTENDED_BYTES_MAX } from './limits.ts';

export interface ArchiveEntry {
  /** Without a slash in front or at the end: `srv/agent/notes`. */
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'fifo';
  /** Permission bits, with the set-id and sticky ones. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, with up to nine decimals: a double could not tell nanoseconds. */
  readonly modified: string;
  /** Of a file; 0 for everything else. */
  readonly sizeBytes: number;
  /** What a link points to; for a hard link a path like `path`. Else empty. */
  readonly target: string;
  /** Extended attributes and access lists, by the names that tar's headers have for them: `SCHILY.xattr.user.note`. */
  readonly extended: Readonly<Record<string, string>>;
}

export const modifiedPattern: RegExp = /^-?\d{1,12}(?:\.\d{1,9})?$/;
export const extendedPattern: RegExp = /^SCHILY\.(?:xattr|acl)\.[\x21-\x3c\x3e-\x7e]{1,255}$/;

const text = z.string().max(ENTRY_PATH_BYTES_MAX).regex(byteTextPattern);
const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

export const entrySchema: z.ZodType<ArchiveEntry> = z.strictObject({
  path: text.min(1),
  kind: z.enum(['file', 'directory', 'symlink', 'hardlink', 'fifo']),
  mode: z.int().min(0).max(0o7777),
  uid: id,
  gid: id,
  modified: z.string().regex(modifiedPattern),
  sizeBytes: z.int().min(0),
  target: text,
  extended: z.record(
    z.string().regex(extendedPattern),
    z.string().max(EXTENDED_BYTES_MAX).regex(byteTextPattern),
  ),
});
