/** Bounds of the daemon itself; those of its API are in `api/limits.ts`. */
import { MIB, MINUTE_MS, SECOND_MS } from '../base/units.ts';

/** `kelpied.log` is moved aside to `kelpied.log.1` when it is larger. */
export const LOG_BYTES_MAX: number = 16 * MIB;
/** Log lines that wait for the disk; more are dropped and counted. */
export const LOG_QUEUED_BYTES_MAX: number = MIB;

/** How often progress of one operation is told to its client. */
export const PROGRESS_INTERVAL_MS = 100;
/** Notices of one operation; it has a few. */
export const NOTICES_MAX = 100;

/** Input of a session that waits for the guest, so that signals behind it are not held up. */
export const STDIN_QUEUED_BYTES_MAX: number = MIB;

/** How long a held operation waits before it is tried again; about doubled each time. */
export const HOLD_RETRY_MS_MIN: number = SECOND_MS;
export const HOLD_RETRY_MS_MAX: number = MINUTE_MS;

/** How long a repair waits for what is tried once more. */
export const REPAIR_WAIT_MS: number = 10 * SECOND_MS;

/** How long a daemon that ends waits for its operations to find their way back. */
export const SHUTDOWN_WAIT_MS: number = 30 * SECOND_MS;

export const OPERATIONS_MAX = 64;
export const VMS_MAX = 1024;

/** Below this, `doctor` warns. */
export const DISK_FREE_BYTES_LOW: number = 4096 * MIB;
