/** The bytes of an ownership record: canonical JSON, untrusted when read. */
import { z } from 'zod';
import { utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { KelpieError } from '../base/errors.ts';
import { parseDocument, sha256Schema, uuidSchema, vmNameSchema } from '../snapshot/metadata-codec.ts';
import {
  HOST_NAME_LENGTH_MAX,
  LEASE_MS_MAX,
  LEASE_MS_MIN,
  OWNERSHIP_RECORD_BYTES_MAX,
  STORE_URL_LENGTH_MAX,
} from './limits.ts';
import type { OwnershipRecord } from './ownership-records.ts';

/** The format that this program writes. 1 had no leases, and did not say which package a running VM came from. */
const OWNERSHIP_FORMAT_VERSION = 2;

const owner = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/);
const hostName = z.string().max(HOST_NAME_LENGTH_MAX);
const lease = z
  .strictObject({ durationMs: z.int().min(LEASE_MS_MIN).max(LEASE_MS_MAX) })
  .nullable()
  .default(null);
const common = {
  formatVersion: z.literal([1, OWNERSHIP_FORMAT_VERSION]),
  vmId: uuidSchema,
  vmName: vmNameSchema,
  epoch: z.int().nonnegative(),
  revision: z.int().min(1),
  changedAtUnixMs: z.int().nonnegative(),
  hostName,
};

const recordSchema = z.discriminatedUnion('state', [
  z.strictObject({
    ...common,
    state: z.literal('running'),
    owner,
    packageId: sha256Schema.nullable().default(null),
    lease,
  }),
  z.strictObject({ ...common, state: z.literal('departing'), owner, packageId: sha256Schema, lease }),
  z.strictObject({
    ...common,
    state: z.literal('at-rest'),
    packageId: sha256Schema,
    reclaimedFrom: hostName.nullable().default(null),
  }),
  z.strictObject({
    ...common,
    state: z.literal('moved'),
    storeUrl: z.string().min(1).max(STORE_URL_LENGTH_MAX),
  }),
  z.strictObject({ ...common, state: z.literal('removed') }),
]);

/** @throws KelpieError `package_corrupt` for a record that nobody could read back. */
export function encodeOwnershipRecord(record: OwnershipRecord): Bytes {
  const bytes = utf8(canonicalJson({ formatVersion: OWNERSHIP_FORMAT_VERSION, ...record }));
  parseOwnershipRecord(bytes, record.vmId);
  return bytes;
}

/** @throws KelpieError `package_corrupt`, also when the record is another VM's; `package_too_new`. */
export function parseOwnershipRecord(bytes: Bytes, vmId: string): OwnershipRecord {
  const what = `the record of who may run VM ${vmId}`;
  const { formatVersion: _, ...record } = parseDocument(bytes, recordSchema, {
    what,
    formatVersion: OWNERSHIP_FORMAT_VERSION,
    sizeBytesMax: OWNERSHIP_RECORD_BYTES_MAX,
    code: 'package_corrupt',
  });
  if (record.vmId !== vmId)
    throw new KelpieError('package_corrupt', `${what} cannot be used: it is another VM's.`);
  return record;
}
