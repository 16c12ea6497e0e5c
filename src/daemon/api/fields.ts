/** Fields that several requests share, each with the sentence that a person reads when it is wrong. */
import { z } from 'zod';
import { HOUR_MS, SECOND_MS } from '../../base/units.ts';
import { isUuid, UUID_PATTERN } from '../../base/uuid.ts';
import { architectures } from '../../snapshot/metadata.ts';
import type { Architecture, ImageReference, PortForward } from '../../snapshot/metadata.ts';
import { HOST_NAME_LENGTH_MAX } from '../../store/limits.ts';
import {
  LEASE_MS_MAX,
  LEASE_MS_MIN,
  MESSAGE_LENGTH_MAX,
  PORT_MAX,
  STORE_URL_LENGTH_MAX,
  VM_NAME_LENGTH_MAX,
} from './limits.ts';

export const uuid: z.ZodType<string> = z.string().regex(UUID_PATTERN, 'must be a lower-case UUID');

export const vmName: z.ZodType<string> = z
  .string()
  .max(VM_NAME_LENGTH_MAX, `must have at most ${VM_NAME_LENGTH_MAX} characters`)
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'must be of a-z, 0-9 and -, and begin with a letter or digit')
  // A name never hides a VM's id.
  .refine((name) => !isUuid(name), 'must not look like an id');

/** A VM as a person names it: by name or id. */
export const vmReference: z.ZodType<string> = z.string().min(1).max(VM_NAME_LENGTH_MAX);

/** A host that a store knows, as a person names it: by its name, its id, or a beginning of that. */
export const hostReference: z.ZodType<string> = z
  .string()
  .min(1, 'must be the name or id of a host')
  .max(HOST_NAME_LENGTH_MAX);

/** A package as a person names it. */
export const packageReference: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f]{4,64}$/, 'must be the id of a package, or at least 4 digits of its beginning');

export const sha256: z.ZodType<string> = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

/** A store as the user wrote it: `/path`, `file:///path`, later `s3://bucket/prefix`. */
export const storeUrl: z.ZodType<string> = z.string().min(1, 'must not be empty').max(STORE_URL_LENGTH_MAX);

export const message: z.ZodType<string> = z
  .string()
  .max(MESSAGE_LENGTH_MAX, `must have at most ${MESSAGE_LENGTH_MAX} characters`);

export const architecture: z.ZodType<Architecture> = z.enum(architectures);

const port = z
  .int('must be a whole number')
  .min(1, `must be 1 … ${PORT_MAX}`)
  .max(PORT_MAX, `must be 1 … ${PORT_MAX}`);

export const portForward: z.ZodType<PortForward> = z.strictObject({ hostPort: port, guestPort: port });

export const leaseMs: z.ZodType<number> = z
  .int('must be whole milliseconds')
  .min(LEASE_MS_MIN, `must be at least ${LEASE_MS_MIN / SECOND_MS} s`)
  .max(LEASE_MS_MAX, `must be at most ${LEASE_MS_MAX / HOUR_MS} h`);

/** From its creation on a VM is known to a store, and held by a lease there. */
export interface LeaseWish {
  readonly storeUrl: string;
  readonly durationMs: number;
}
export const leaseOf: z.ZodType<LeaseWish> = z.strictObject({ storeUrl, durationMs: leaseMs });

export const imageReference: z.ZodType<ImageReference> = z.object({
  name: z.string(),
  version: z.string(),
  digest: z.string(),
});

export const snapshotReference: z.ZodType<string> = z
  .string()
  .regex(/^[0-9a-f-]{4,36}$/, 'must be the beginning of a snapshot’s id');
