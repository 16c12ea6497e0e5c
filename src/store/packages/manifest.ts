/**
 * The manifest of a package: an envelope that says to everybody which packs the package needs, and the body, which only the store's
 * recipients can read when the store has any. Canonical JSON, so that one package has one id; untrusted when read. `docs/FORMAT.md` has it.
 */
import { z } from 'zod';
import { equalBytes, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import type { PureCompute } from '../../env/compute.ts';
import { parseDocument } from '../../snapshot/metadata-codec.ts';
import { comparePacks } from './frame-table.ts';
import { MANIFEST_BYTES_MAX, PACKS_MAX } from './limits.ts';
import { bodyJson, parseBody } from './manifest-body.ts';
import type { PackageBody } from './manifest-body.ts';
import { packText, parsePackText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import {
  encodeSigned,
  openPart,
  sealPart,
  sealedPartSchema,
  signatureSchema,
  verifySigned,
} from './sealed-part.ts';
import type { DocumentSealer } from './sealing.ts';

/** The format of a package with running memory, and of a checkpoint, which programs that know of no checkpoints refuse as too new. */
const MEMORY_FORMAT_VERSION = 2;
const CHECKPOINT_FORMAT_VERSION = 3;
type FormatVersion = typeof MEMORY_FORMAT_VERSION | typeof CHECKPOINT_FORMAT_VERSION;

/** What anybody can read: all that collecting and copying need. */
export interface PackageEnvelope {
  /** Every pack that any map or stream of the package needs: its own first, then the others, each part in the order of `comparePacks`. */
  readonly packs: readonly PackName[];
  /** How many of `packs` the package brought. */
  readonly ownPacks: number;
  readonly isEncrypted: boolean;
}

export interface PackageManifest extends PackageEnvelope {
  readonly body: PackageBody;
  /** Public key of whoever signed; null when nobody did, or nobody checked. */
  readonly signedBy: string | null;
}

const envelopeSchema = z.strictObject({
  ...sealedPartSchema,
  formatVersion: z.literal([MEMORY_FORMAT_VERSION, CHECKPOINT_FORMAT_VERSION]),
  ownPacks: z.int().nonnegative(),
  packs: z.array(z.string()).max(PACKS_MAX),
  signature: signatureSchema.optional(),
});
type Envelope = z.infer<typeof envelopeSchema>;

type ManifestContents = Pick<PackageManifest, 'packs' | 'ownPacks' | 'body'>;

/** The manifest's bytes, the id that they give, and what is read back from them. @throws KelpieError `package_corrupt` for what nobody could read back. */
export function sealManifest(
  compute: Pick<PureCompute, 'sha256'>,
  sealer: DocumentSealer,
  { packs, ownPacks, body }: ManifestContents,
): { readonly id: string; readonly bytes: Bytes; readonly manifest: PackageManifest } {
  const clear = clearPart(formatOf(body), ownPacks, packs.map(packText));
  const unsigned = { ...clear, ...sealPart(sealer, bodyJson(body, packs), boundOf(clear)) };
  const bytes = encodeSigned(sealer, unsigned);
  const id = compute.sha256(bytes);
  return { id, bytes, manifest: parseManifest(compute, sealer, id, bytes) };
}

/**
 * @throws KelpieError `package_corrupt`, also when the bytes are not those of package `id`; `package_too_new`; `permission_denied` when it is
 * sealed for others, or not signed as this host wants it.
 */
export function parseManifest(
  compute: Pick<PureCompute, 'sha256'>,
  sealer: DocumentSealer,
  id: string,
  bytes: Bytes,
): PackageManifest {
  const { envelope, packs } = readEnvelope(compute, id, bytes);
  const signedBy = verifySigned(sealer, envelope);
  const bound = boundOf(clearPart(envelope.formatVersion, envelope.ownPacks, envelope.packs));
  const body = parseBody(openPart(sealer, envelope, bound, whatOf(id)), packs, whatOf(id));
  if (formatOf(body) !== envelope.formatVersion) throw unusable(id, 'its format is not that of its kind');
  return { packs, ownPacks: envelope.ownPacks, isEncrypted: envelope.sealed !== undefined, body, signedBy };
}

/** What can be read without keys. @throws KelpieError `package_corrupt`, `package_too_new`. */
export function parseEnvelope(
  compute: Pick<PureCompute, 'sha256'>,
  id: string,
  bytes: Bytes,
): PackageEnvelope {
  const { envelope, packs } = readEnvelope(compute, id, bytes);
  return { packs, ownPacks: envelope.ownPacks, isEncrypted: envelope.sealed !== undefined };
}

function readEnvelope(
  compute: Pick<PureCompute, 'sha256'>,
  id: string,
  bytes: Bytes,
): { readonly envelope: Envelope; readonly packs: readonly PackName[] } {
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw unusable(id, what);
  };
  check(bytes.byteLength <= MANIFEST_BYTES_MAX, 'its manifest is too long');
  check(compute.sha256(bytes) === id, 'its manifest is damaged');
  const envelope = parseDocument(bytes, envelopeSchema, {
    what: whatOf(id),
    formatVersion: CHECKPOINT_FORMAT_VERSION,
    sizeBytesMax: MANIFEST_BYTES_MAX,
    code: 'package_corrupt',
  });
  check(equalBytes(bytes, utf8(canonicalJson(envelope))), 'its manifest is not canonical');
  const packs = envelope.packs.flatMap((text) => parsePackText(text) ?? []);
  check(packs.length === envelope.packs.length, 'it names a pack that cannot be');
  check(envelope.ownPacks <= packs.length, 'it has more packs of its own than it names');
  const own = packs.slice(0, envelope.ownPacks);
  const others = packs.slice(envelope.ownPacks);
  check(isAscending(own) && isAscending(others), 'its packs are out of order');
  const session = own[0]?.session;
  check(
    own.every((pack) => pack.session === session) && others.every((pack) => pack.session !== session),
    'its own packs are not those of one publish',
  );
  return { envelope, packs };
}

function formatOf({ metadata }: PackageBody): FormatVersion {
  return metadata.kind === 'checkpoint' ? CHECKPOINT_FORMAT_VERSION : MEMORY_FORMAT_VERSION;
}

function unusable(id: string, why: string): KelpieError {
  return new KelpieError('package_corrupt', `${whatOf(id)} cannot be used: ${why}.`);
}

function whatOf(id: string): string {
  return `package ${id}`;
}

/** What is not secret, and is bound to the sealed body. */
function clearPart(
  formatVersion: FormatVersion,
  ownPacks: number,
  packs: readonly string[],
): Pick<Envelope, 'formatVersion' | 'ownPacks' | 'packs'> {
  return { formatVersion, ownPacks, packs: [...packs] };
}

function boundOf(clear: object): Bytes {
  return utf8(canonicalJson(clear));
}

function isAscending(packs: readonly PackName[]): boolean {
  return packs.every((pack, index) => {
    const before = packs[index - 1];
    return before === undefined || comparePacks(before, pack) < 0;
  });
}
