/**
 * A document that names packs: what a publish under way refers to (a pin), or what a sweep is about to remove (a condemnation).
 * Canonical JSON, untrusted when read.
 */
import { z } from 'zod';
import type { Bytes } from '../../base/bytes.ts';
import { utf8 } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { parseDocument } from '../../snapshot/metadata-codec.ts';
import { HOST_NAME_LENGTH_MAX } from '../limits.ts';
import { PACKS_MAX, PIN_BYTES_MAX } from './limits.ts';

const FORMAT_VERSION = 1;

const packPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\/(?:0|[1-9]\d{0,9})$/;

export interface PackList {
  /** For people: who wrote it. */
  readonly hostName: string;
  /** As `packText` has them. */
  readonly packs: readonly string[];
  /** By the writer's clock, for people; the store's own time of the object is what counts. */
  readonly startedAtUnixMs: number;
}

const packListSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  hostName: z.string().max(HOST_NAME_LENGTH_MAX),
  packs: z.array(z.string().regex(packPattern)).max(PACKS_MAX),
  startedAtUnixMs: z.int().nonnegative(),
});

export function encodePackList(list: PackList): Bytes {
  return utf8(canonicalJson({ formatVersion: FORMAT_VERSION, ...list }));
}

/** @param what for the sentence: `the pin of a publish`. @throws KelpieError `package_corrupt`, `package_too_new`. */
export function parsePackList(bytes: Bytes, what: string): PackList {
  const { formatVersion: _, ...list } = parseDocument(bytes, packListSchema, {
    what,
    formatVersion: FORMAT_VERSION,
    sizeBytesMax: PIN_BYTES_MAX,
    code: 'package_corrupt',
  });
  return list;
}
