/** The head of a checkpoint: which applications it is of, and where in its archive the rest is. It lies where a snapshot has its device state. */
import { z } from 'zod';
import { utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { KelpieError } from '../base/errors.ts';
import { parseDocument } from '../snapshot/metadata-codec.ts';
import { applicationSchema } from './application.ts';
import type { Application } from './application.ts';
import {
  APPLICATIONS_MAX,
  ARCHIVE_PAGES_MAX,
  ENTRIES_MAX,
  HEAD_BYTES_MAX,
  INDEX_BYTES_MAX,
  SEGMENT_BYTES_MAX,
  STATE_BYTES_MAX,
} from './limits.ts';
import type { ArchivePart } from './page-gatherer.ts';

export interface SavedApplication {
  readonly application: Application;
  /** Values of the variables that it keeps. */
  readonly environment: Readonly<Record<string, string>>;
  /** What its command wrote; null when it has none. */
  readonly state: ArchivePart | null;
}

export interface CheckpointHead {
  readonly formatVersion: 1;
  readonly applications: readonly SavedApplication[];
  /** One line of JSON for each entry, in their order. */
  readonly index: ArchivePart;
  readonly entryCount: number;
  /** Of all files. */
  readonly contentBytes: number;
}

export const HEAD_FORMAT_VERSION = 1;

export const segmentsSchema: z.ZodType<readonly number[]> = z.array(z.int().min(1).max(SEGMENT_BYTES_MAX));
const part = (bytesMax: number): z.ZodType<ArchivePart> =>
  z
    .strictObject({ page: z.int().min(0).max(ARCHIVE_PAGES_MAX), segments: segmentsSchema })
    .refine((value) => partBytes(value) <= bytesMax, 'is too long');

const headSchema: z.ZodType<CheckpointHead> = z.strictObject({
  formatVersion: z.literal(HEAD_FORMAT_VERSION),
  applications: z
    .array(
      z.strictObject({
        application: applicationSchema,
        environment: z.record(z.string(), z.string()),
        state: part(STATE_BYTES_MAX).nullable(),
      }),
    )
    .max(APPLICATIONS_MAX),
  index: part(INDEX_BYTES_MAX),
  entryCount: z.int().min(0).max(ENTRIES_MAX),
  contentBytes: z.int().min(0),
});

export function partBytes({ segments }: Pick<ArchivePart, 'segments'>): number {
  return segments.reduce((sum, bytes) => sum + bytes, 0);
}

/** @throws KelpieError `limit_exceeded` for a head that nobody would read back. */
export function encodeHead(head: CheckpointHead): Bytes {
  const bytes = utf8(canonicalJson(head));
  if (bytes.byteLength <= HEAD_BYTES_MAX) return bytes;
  throw new KelpieError('limit_exceeded', 'the checkpoint keeps too many variables: keep fewer.');
}

/** @throws KelpieError `snapshot_corrupt`, `package_too_new`. */
export function parseHead(bytes: Bytes): CheckpointHead {
  return parseDocument(bytes, headSchema, {
    what: 'the checkpoint',
    formatVersion: HEAD_FORMAT_VERSION,
    sizeBytesMax: HEAD_BYTES_MAX,
    code: 'snapshot_corrupt',
  });
}
