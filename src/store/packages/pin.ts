/**
 * `pins/SESSION`: a publish that is under way, and the older packs that it will refer to. It is there before the publisher looks whether these packs
 * are, and goes when the manifest is there; so whoever collects sees the pin, or the manifest, or the publisher sees that a pack is gone.
 */
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { parseDocument } from '../../snapshot/metadata-codec.ts';
import { HOST_NAME_LENGTH_MAX } from '../limits.ts';
import { PACKS_MAX, PIN_BYTES_MAX } from './limits.ts';
import { packText, parsePackText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';

const FORMAT_VERSION = 1;
export const PINS_PREFIX = 'pins/';

export interface PackagePin {
  /** By the publisher's clock: for people. */
  readonly startedAtUnixMs: number;
  /** Who publishes, for people. */
  readonly hostName: string;
  readonly packs: readonly PackName[];
}

const pinSchema = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  hostName: z.string().max(HOST_NAME_LENGTH_MAX),
  packs: z.array(z.string()).max(PACKS_MAX),
  startedAtUnixMs: z.int().nonnegative(),
});

export function pinKey(session: string): string {
  return `${PINS_PREFIX}${session}`;
}

export function encodePin({ startedAtUnixMs, hostName, packs }: PackagePin): Bytes {
  return utf8(
    canonicalJson({ formatVersion: FORMAT_VERSION, hostName, packs: packs.map(packText), startedAtUnixMs }),
  );
}

/** The pin in bytes that are not trusted. @throws KelpieError `package_corrupt`, `package_too_new`. */
export function parsePin(bytes: Bytes, key: string): PackagePin {
  const rules = {
    formatVersion: FORMAT_VERSION,
    sizeBytesMax: PIN_BYTES_MAX,
    code: 'package_corrupt',
  } as const;
  const {
    startedAtUnixMs,
    hostName,
    packs: texts,
  } = parseDocument(bytes, pinSchema, { what: key, ...rules });
  const packs = texts.flatMap((text) => parsePackText(text) ?? []);
  if (packs.length === texts.length) return { startedAtUnixMs, hostName, packs };
  throw new KelpieError('package_corrupt', `${key} cannot be used: it names a pack that cannot be.`);
}
