/** Bounds of the QEMU backend alone. */
import { MIB, MINUTE_MS, SECOND_MS } from '../../base/units.ts';

/** Longest message on the control connection; the largest known, the schema of 7.2, has 207 KB. */
export const QMP_LINE_BYTES_MAX: number = 2 * MIB;
/** Commands under way on one control connection. */
export const QMP_PENDING_MAX = 256;
/** How long QEMU may take to answer one command; `stop` waits for the host's disk. */
export const QMP_COMMAND_TIMEOUT_MS: number = 30 * SECOND_MS;

/** From migration's start to its end: 258 KB of device state. */
export const LOAD_TIMEOUT_MS: number = MINUTE_MS;
/** Largest device state that is loaded; a VM of layout 1 has 258 KB. */
export const DEVICE_STATE_BYTES_MAX: number = 64 * MIB;

/** From asking QEMU to quit until it is killed. */
export const STOP_QUIT_TIMEOUT_MS: number = 10 * SECOND_MS;

/** How long a guest whose write found no room on the host's disk waits for each try. */
export const FULL_DISK_RETRY_MS: number = SECOND_MS;

/** `/proc/PID/maps` of a QEMU has 50–100 KB. */
export const PROCESS_MAPS_BYTES_MAX: number = 4 * MIB;
/** Piece in which the page map of the kernel is read: 512 MiB of guest memory. */
export const PAGEMAP_CHUNK_BYTES: number = MIB;
/** Batches of dirty pages (`BATCH_BYTES_MAX` each) that wait in memory until the guest goes on: 16 MiB. */
export const HELD_BATCHES_MAX = 4;
/** Longest stretch of guest memory that QEMU is asked to write to a file at once, where `/proc/PID/mem` is refused. */
export const PHYSICAL_SPAN_BYTES_MAX: number = 64 * MIB;
