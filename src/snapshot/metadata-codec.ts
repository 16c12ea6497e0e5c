import { z } from 'zod';
import { canonicalJson } from '../base/canonical-json.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import * as limits from './limits.ts';
import {
  SNAPSHOT_FORMAT_VERSION,
  accelerators,
  architectures,
  backendNames,
  portabilities,
  snapshotKinds,
} from './metadata.ts';
import type {
  ImageReference,
  MachineFacts,
  SnapshotMetadata,
  SourceHostFacts,
  VmConfig,
} from './metadata.ts';

/** A hostile document can be wrong in very many ways; a person reads the first. */
const REASON_LENGTH_MAX = 300;

/** What names a VMM's thing and so may end up on its command line: no comma, no space, no leading dash. */
export const machineWord: z.ZodType<string> = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/);
/** One line that people read. */
export const printable: z.ZodType<string> = z
  .string()
  .max(limits.LINE_LENGTH_MAX)
  .regex(/^[\x20-\x7e]+$/);
const count = z.int().nonnegative();
const port = z.int().min(1).max(65_535);

export const uuidSchema: z.ZodType<string> = z.string().refine(isUuid, 'is not a lower-case UUID');
export const sha256Schema: z.ZodType<string> = z.string().regex(/^[0-9a-f]{64}$/);
export const vmNameSchema: z.ZodType<string> = z
  .string()
  .max(limits.VM_NAME_LENGTH_MAX)
  .regex(/^[a-z0-9][a-z0-9-]*$/);

export const imageSchema: z.ZodType<ImageReference> = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  version: z.string().regex(/^(?:0|[1-9]\d{0,4})(?:\.(?:0|[1-9]\d{0,4})){2}$/),
  digest: sha256Schema,
});

const configSchema: z.ZodType<VmConfig> = z.strictObject({
  name: vmNameSchema,
  architecture: z.enum(architectures),
  vcpuCount: z.int().min(1).max(limits.VCPU_COUNT_MAX),
  memoryMib: z.int().min(1).max(limits.MEMORY_MIB_MAX),
  diskMib: z.int().min(1).max(limits.DISK_MIB_MAX),
  image: imageSchema,
  portability: z.enum(portabilities),
  publish: z.array(z.strictObject({ hostPort: port, guestPort: port })).max(limits.PORT_FORWARDS_MAX),
});

const machineSchema: z.ZodType<MachineFacts> = z.strictObject({
  backend: z.enum(backendNames),
  backendVersion: printable,
  machineType: machineWord,
  cpuModel: machineWord,
  accelerator: z.enum(accelerators),
  deviceLayout: count,
});

export const sourceSchema: z.ZodType<SourceHostFacts> = z.strictObject({
  architecture: z.enum(architectures),
  kernel: printable,
  cpu: z
    .strictObject({
      vendor: z.string().regex(/^\w{1,32}$/),
      family: count,
      model: count,
      modelName: printable,
      flags: z.array(z.string().regex(/^\w{1,32}$/)).max(limits.CPU_FLAGS_MAX),
    })
    .nullable(),
});

const formatSchema = z.object({ formatVersion: z.int().min(1) });

/** For documents that metadata is a part of. */
export const metadataSchema: z.ZodType<SnapshotMetadata> = z.strictObject({
  formatVersion: z.literal(SNAPSHOT_FORMAT_VERSION),
  snapshotId: uuidSchema,
  vmId: uuidSchema,
  parentId: uuidSchema.nullable(),
  kind: z.enum(snapshotKinds),
  message: z.string().max(limits.MESSAGE_LENGTH_MAX),
  createdAtUnixMs: count,
  config: configSchema,
  machine: machineSchema,
  source: sourceSchema,
  // The guest's own word, and opaque: 32 hexadecimal digits from our agent.
  guest: z.strictObject({ bootId: z.string().regex(/^[0-9a-f-]{32,36}$/), generation: count }),
});

/** The bytes of metadata: canonical JSON. */
export function encodeSnapshotMetadata(metadata: SnapshotMetadata): Bytes {
  return utf8(canonicalJson(metadata));
}

/**
 * Metadata from bytes that are not trusted.
 * @throws KelpieError `snapshot_corrupt`, `package_too_new`.
 */
export function parseSnapshotMetadata(bytes: Bytes): SnapshotMetadata {
  const document = { what: "the snapshot's metadata", formatVersion: SNAPSHOT_FORMAT_VERSION };
  return parseDocument(bytes, metadataSchema, {
    ...document,
    sizeBytesMax: limits.METADATA_BYTES_MAX,
    code: 'snapshot_corrupt',
  });
}

export interface DocumentRules {
  /** For the sentence of the error: `the manifest`. */
  readonly what: string;
  /** The newest format that this program reads. */
  readonly formatVersion: number;
  readonly sizeBytesMax: number;
  readonly code: 'snapshot_corrupt' | 'package_corrupt';
}

/**
 * A JSON document with a `formatVersion`, from bytes that are not trusted. A newer one is told from a broken one before
 * anything else of it is looked at.
 * @throws KelpieError `rules.code`, `package_too_new`.
 */
export function parseDocument<T>(bytes: Bytes, schema: z.ZodType<T>, rules: DocumentRules): T {
  const corrupt = (reason: string, cause?: unknown): KelpieError =>
    new KelpieError(rules.code, `${rules.what} cannot be used: ${reason}.`, { cause });
  if (bytes.byteLength > rules.sizeBytesMax) throw corrupt(`it is longer than ${rules.sizeBytesMax} bytes`);
  const value = parseJson(bytes, (cause) => corrupt('it is not JSON', cause));
  const format = formatSchema.safeParse(value);
  if (!format.success) throw corrupt('it has no format version');
  const { formatVersion } = format.data;
  if (formatVersion > rules.formatVersion) {
    const message = `${rules.what} is of format ${formatVersion}; this Kelpie reads up to ${rules.formatVersion}: update it.`;
    throw new KelpieError('package_too_new', message);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw corrupt(reasonOf(parsed.error));
  return parsed.data;
}

/** What of a document is wrong, on one line. */
export function reasonOf(error: z.ZodError): string {
  return z.prettifyError(error).replaceAll(/\s+/g, ' ').slice(0, REASON_LENGTH_MAX);
}

function parseJson(bytes: Bytes, toError: (cause: unknown) => KelpieError): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch (error) {
    throw toError(error);
  }
}
