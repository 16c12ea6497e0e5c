/** Single files of a VM over the API, as raw bodies; folders travel as tar through a session. */
import { z } from 'zod';
import type { GuestFileInfo } from '../../guest/guest-agent.ts';
import { GUEST_PATH_LENGTH_MAX } from './limits.ts';

/** Header of the answer to a read: `GuestFileInfo` as JSON. */
export const FILE_INFO_HEADER = 'x-kelpie-file-info';

const path = z
  .string()
  .max(GUEST_PATH_LENGTH_MAX)
  .regex(/^\/[^\0]*$/, 'must be an absolute path');

export interface FileQuery {
  readonly path: string;
}
export const fileQuery: z.ZodType<FileQuery> = z.strictObject({ path });

export interface FileWriteQuery {
  readonly path: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly parents: boolean;
}
const id = z.exactOptional(z.coerce.number().pipe(z.int().min(0).max(0xffff_fffe)));
export const fileWriteQuery: z.ZodType<FileWriteQuery> = z.strictObject({
  path,
  /** Decimal number of the permission bits. */
  mode: z.exactOptional(z.coerce.number().pipe(z.int().min(0).max(0o7777))),
  uid: id,
  gid: id,
  parents: z.stringbool().default(false),
});

export const guestFileInfo: z.ZodType<GuestFileInfo> = z.object({
  type: z.enum(['file', 'directory', 'symlink', 'other']),
  sizeBytes: z.number(),
  mode: z.int(),
  uid: z.int(),
  gid: z.int(),
  modifiedAtUnixMs: z.number(),
});

export interface FileWritten {
  readonly sizeBytes: number;
}
export const fileWritten: z.ZodType<FileWritten> = z.object({ sizeBytes: z.number() });
