/** The part of a JSON document that is in the clear in a plain store (`body`) and sealed in an encrypted one (`sealed`), and who signed all of it. */
import { z } from 'zod';
import { fromHex, fromUtf8, hex, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { MANIFEST_BYTES_MAX } from './limits.ts';
import type { DocumentSealer, ManifestSignature } from './sealing.ts';

/** Bytes in hexadecimal. */
export function hexText(digitsMax: number): z.ZodType<string> {
  return z
    .string()
    .max(digitsMax)
    .regex(/^(?:[0-9a-f]{2})*$/);
}

interface SealedJson {
  readonly keyId: string;
  readonly salt: string;
  readonly bytes: string;
}

const sealedSchema: z.ZodType<SealedJson> = z.strictObject({
  bytes: hexText(2 * MANIFEST_BYTES_MAX),
  keyId: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  salt: hexText(128),
});

/** Of a document that is signed: over the canonical JSON of all its other members. */
export const signatureSchema: z.ZodType<ManifestSignature> = z.strictObject({
  publicKey: z.string().regex(/^[\x21-\x7e]{1,200}$/),
  value: hexText(2048),
});

export interface SignedDocument {
  readonly signature?: ManifestSignature | undefined;
}

/** The document's bytes, signed where this host signs. */
export function encodeSigned(sealer: DocumentSealer, unsigned: object): Bytes {
  const signature = sealer.sign(utf8(canonicalJson(unsigned)));
  return utf8(canonicalJson(signature === null ? unsigned : { ...unsigned, signature }));
}

/** Who signed the document. @returns and throws as `DocumentSealer.verify`. */
export function verifySigned(sealer: DocumentSealer, document: SignedDocument): string | null {
  const { signature = null, ...unsigned } = document;
  return sealer.verify(utf8(canonicalJson(unsigned)), signature);
}

/** The members of a document that has such a part. */
export const sealedPartSchema: {
  readonly body: z.ZodOptional<z.ZodUnknown>;
  readonly sealed: z.ZodOptional<z.ZodType<SealedJson>>;
} = { body: z.unknown().optional(), sealed: sealedSchema.optional() };

export interface SealedPart {
  readonly body?: unknown;
  readonly sealed?: SealedJson | undefined;
}

/** @param bound what else is in the document: the part cannot be moved to another. */
export function sealPart(sealer: DocumentSealer, body: unknown, bound: Bytes): SealedPart {
  if (!sealer.isEncrypted) return { body };
  const { keyId, salt, bytes } = sealer.seal(utf8(canonicalJson(body)), bound);
  return { sealed: { keyId, salt, bytes: hex(bytes) } };
}

/**
 * The part's value, not checked further. A plain one in an encrypted store is refused: who cannot seal has no business there.
 * @param what the document, for the sentence. @throws KelpieError `package_corrupt`, `permission_denied`.
 */
export function openPart(sealer: DocumentSealer, part: SealedPart, bound: Bytes, what: string): unknown {
  const { body, sealed } = part;
  if ((body === undefined) === (sealed === undefined)) throw corrupt(what, 'it has no body, or two');
  if (sealed === undefined) {
    if (sealer.isEncrypted) throw corrupt(what, 'it is not sealed, though its store is encrypted');
    return body;
  }
  const bytes = sealer.open({ ...sealed, bytes: fromHex(sealed.bytes) }, bound);
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (error) {
    throw corrupt(what, 'its sealed part is not JSON', error);
  }
}

function corrupt(what: string, reason: string, cause?: unknown): KelpieError {
  return new KelpieError('package_corrupt', `${what} cannot be used: ${reason}.`, { cause });
}
