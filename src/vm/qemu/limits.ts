/** Every bound of the QEMU backend. */
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../base/units.ts';

/** Longest message on the control connection; the largest known, the schema of 7.2, has 207 KB. */
export const QMP_LINE_BYTES_MAX: number = 2 * MIB;
/** Commands under way on one control connection. */
export const QMP_PENDING_MAX = 256;
/** How long QEMU may take to answer one command; `stop` waits for the host's disk. */
export const QMP_COMMAND_TIMEOUT_MS: number = 30 * SECOND_MS;
/** From starting QEMU to its greeting. */
export const LAUNCH_TIMEOUT_MS: number = 15 * SECOND_MS;
/** Between two attempts to reach the control socket of a QEMU that starts: it takes about 20 ms in all. */
export const LAUNCH_RETRY_MS = 2;

/** From the first instruction to an answer of the guest agent. Emulated and on a busy host it is 3–10 s. */
export const BOOT_TIMEOUT_MS_DEFAULT: number = 2 * MINUTE_MS;
/** From migration's start to its end: 258 KB of device state. */
export const LOAD_TIMEOUT_MS: number = MINUTE_MS;
/** Largest device state that is loaded; a VM of layout 1 has 258 KB. */
export const DEVICE_STATE_BYTES_MAX: number = 64 * MIB;
/** From going on after a restore to a repaired guest. */
export const REPAIR_TIMEOUT_MS: number = 20 * SECOND_MS;
/** For a lost connection to a running guest's agent. */
export const AGENT_CONNECT_TIMEOUT_MS: number = 10 * SECOND_MS;
/** How long a snapshot waits for questions to the guest that are under way. It goes on without an answer. */
export const QUIESCE_TIMEOUT_MS = 200;
/** How long a snapshot or a resume waits for a guest to take the right time. */
export const CLOCK_CORRECTION_TIMEOUT_MS: number = 2 * SECOND_MS;

/** From asking the guest to power off until QEMU is asked to quit; the agent itself gives its processes 3 s. */
export const STOP_GUEST_TIMEOUT_MS: number = 15 * SECOND_MS;
/** How long a guest may take to say that it will power off. */
export const STOP_ASK_TIMEOUT_MS: number = 3 * SECOND_MS;
/** From asking QEMU to quit until it is killed. */
export const STOP_QUIT_TIMEOUT_MS: number = 10 * SECOND_MS;
/** A killed process ends within this, or the host is in trouble. */
export const KILL_TIMEOUT_MS: number = 10 * SECOND_MS;

/** How long the end of a process may come after the end of its connection. */
export const END_NOTICE_MS: number = SECOND_MS;

/** What is kept of the console. A power of two: QEMU holds it in a ring of this size. */
export const CONSOLE_BYTES_MAX: number = 256 * KIB;
/** What QEMU's own messages may take on the disk before they are cut. A guest can provoke messages. */
export const LOG_BYTES_MAX: number = 256 * KIB;
/** How often the size of QEMU's log is looked at. */
export const LOG_CHECK_MS: number = 5 * SECOND_MS;
/** How much of QEMU's log an error may quote. */
export const LOG_TAIL_BYTES = 2048;

/** Layers of a disk's chain; a longer one is flattened when it is restored. QEMU opens every one of them. */
export const DISK_LAYERS_MAX = 32;

/** `/proc/PID/maps` of a QEMU has 50–100 KB. */
export const PROCESS_MAPS_BYTES_MAX: number = 4 * MIB;
/** Piece in which the page map of the kernel is read: 512 MiB of guest memory. */
export const PAGEMAP_CHUNK_BYTES: number = MIB;
/** Batches of dirty pages (`BATCH_BYTES_MAX` each) that wait in memory until the guest goes on: 16 MiB. */
export const HELD_BATCHES_MAX = 4;
/** Longest stretch of guest memory that QEMU is asked to write to a file at once, where `/proc/PID/mem` is refused. */
export const PHYSICAL_SPAN_BYTES_MAX: number = 64 * MIB;
