/**
 * `hosts/HOST`: what a host says of itself to whoever would send a VM to it. Sealed and signed as manifests are, and not trusted when read: it is
 * about what would work there, never about who may do what.
 */
import { z } from 'zod';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { factsDocument } from '../../snapshot/compatibility/facts-document.ts';
import type { FactsDocument } from '../../snapshot/compatibility/facts-document.ts';
import { parseDocument, printable, reasonOf } from '../../snapshot/metadata-codec.ts';
import { HOST_RECORD_BYTES_MAX } from '../limits.ts';
import {
  encodeSigned,
  openPart,
  sealPart,
  sealedPartSchema,
  signatureSchema,
  verifySigned,
} from '../packages/sealed-part.ts';
import type { DocumentSealer } from '../packages/sealing.ts';

const FORMAT_VERSION = 1;

export interface HostRecord {
  /** For ever the same; names the record. */
  readonly hostId: string;
  /** For people; several hosts may have one. */
  readonly name: string;
  readonly kelpieVersion: string;
  /** By the host's clock: for people. */
  readonly toldAtUnixMs: number;
  readonly facts: FactsDocument;
}

/** A record as it was read. */
export interface SignedHostRecord extends HostRecord {
  /** Public key of whoever signed; null when nobody did, or nobody checked. */
  readonly signedBy: string | null;
}

const documentSchema = z.strictObject({
  ...sealedPartSchema,
  formatVersion: z.literal(FORMAT_VERSION),
  hostId: z.string(),
  signature: signatureSchema.optional(),
});

const bodySchema: z.ZodType<Omit<HostRecord, 'hostId'>> = z.strictObject({
  name: printable,
  kelpieVersion: printable,
  toldAtUnixMs: z.int().nonnegative(),
  facts: factsDocument,
});

/** @throws KelpieError `package_corrupt` for a record that nobody could read back; `permission_denied` when this host may not write there. */
export function encodeHostRecord(sealer: DocumentSealer, { hostId, ...body }: HostRecord): Bytes {
  const clear = { formatVersion: FORMAT_VERSION, hostId };
  const bytes = encodeSigned(sealer, { ...clear, ...sealPart(sealer, body, utf8(canonicalJson(clear))) });
  parseHostRecord(sealer, hostId, bytes);
  return bytes;
}

/** @throws KelpieError `package_corrupt`, also for another host's; `package_too_new`; `permission_denied` when it is sealed for others, or not signed as this host wants it. */
export function parseHostRecord(sealer: DocumentSealer, hostId: string, bytes: Bytes): SignedHostRecord {
  const what = `what host ${hostId} says of itself`;
  const document = parseDocument(bytes, documentSchema, {
    what,
    formatVersion: FORMAT_VERSION,
    sizeBytesMax: HOST_RECORD_BYTES_MAX,
    code: 'package_corrupt',
  });
  if (document.hostId !== hostId)
    throw new KelpieError('package_corrupt', `${what} cannot be used: it is another host's.`);
  const signedBy = verifySigned(sealer, document);
  const bound = utf8(canonicalJson({ formatVersion: FORMAT_VERSION, hostId }));
  const body = bodySchema.safeParse(openPart(sealer, document, bound, what));
  if (!body.success)
    throw new KelpieError('package_corrupt', `${what} cannot be used: ${reasonOf(body.error)}.`);
  return { hostId, ...body.data, signedBy };
}
