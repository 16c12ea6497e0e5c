/** Bounds of what travels between a client and the daemon. Both ends check them. */
import { GIB, KIB, MIB } from '../../base/units.ts';

// What is taken here is written there: another bound would let in what cannot be stored.
export { MESSAGE_LENGTH_MAX, VM_NAME_LENGTH_MAX } from '../../snapshot/limits.ts';
export { requireKeeping } from '../../snapshot/prune-rule.ts';
export { LEASE_MS_MAX, LEASE_MS_MIN, STORE_URL_LENGTH_MAX } from '../../store/limits.ts';

/** A JSON request body. */
export const REQUEST_JSON_BYTES_MAX: number = 256 * KIB;
/** One line of an event stream; a result with a long listing fits. */
export const EVENT_LINE_BYTES_MAX: number = 4 * MIB;
/** Payload of one frame of an attached session. */
export const EXEC_FRAME_BYTES_MAX: number = 64 * KIB;
/** A JSON document that is read whole by a client (listings). */
export const RESPONSE_JSON_BYTES_MAX: number = 16 * MIB;

export const VM_VCPU_COUNT_MIN = 1;
export const VM_VCPU_COUNT_MAX = 64;
export const VM_MEMORY_MIB_MIN = 128;
export const VM_MEMORY_MIB_MAX = 65_536;
export const VM_DISK_MIB_MIN = 64;
export const VM_DISK_MIB_MAX: number = (2 * 1024 * GIB) / MIB;
export const VM_PORT_FORWARDS_MAX = 64;
/** A port of TCP. */
export const PORT_MAX = 65_535;
/** Copies that one call makes. */
export const FORK_COUNT_MAX = 100;
/** Of a public key as text; those that there are have 71 at most. */
export const KEY_TEXT_LENGTH_MAX = 200;
/** What is said of a trusted key. */
export const TRUST_NOTE_LENGTH_MAX = 200;
export const GUEST_PATH_LENGTH_MAX = 4096;
export const ARGV_COUNT_MAX = 256;
export const ENVIRONMENT_COUNT_MAX = 256;
/** Together, what a command's arguments and environment may take: one frame to the guest. */
export const ARGUMENT_LENGTH_MAX: number = 28 * KIB;
export const EXEC_TIMEOUT_MS_MAX: number = 7 * 24 * 60 * 60 * 1000;
/** Packages that one call names. */
export const PACKAGE_REFERENCES_MAX = 100;
/** Packages of one kind that a rule keeps. */
export const PRUNE_KEEP_MAX = 100_000;
