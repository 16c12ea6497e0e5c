/** Bounds that VMs have on every backend. */
import { KIB, MINUTE_MS, SECOND_MS } from '../base/units.ts';

/** From starting a VMM to its first answer; one that is caged is copied first. */
export const LAUNCH_TIMEOUT_MS: number = 15 * SECOND_MS;
/** Between two attempts to reach the socket of a VMM that starts: it takes 10–20 ms in all. */
export const LAUNCH_RETRY_MS = 2;

/** From the first instruction to an answer of the guest agent. Emulated and on a busy host it is 3–10 s. */
export const BOOT_TIMEOUT_MS_DEFAULT: number = 2 * MINUTE_MS;
/** From going on after a restore to a repaired guest. */
export const REPAIR_TIMEOUT_MS: number = 20 * SECOND_MS;
/** For a lost connection to a running guest's agent. */
export const AGENT_CONNECT_TIMEOUT_MS: number = 10 * SECOND_MS;
/** How long a snapshot waits for questions to the guest that are under way. It goes on without an answer. */
export const QUIESCE_TIMEOUT_MS = 200;
/** How long a snapshot or a resume waits for a guest to take the right time. */
export const CLOCK_CORRECTION_TIMEOUT_MS: number = 2 * SECOND_MS;

/** From asking the guest to power off until its VMM is asked to end; the agent itself gives its processes 3 s. */
export const STOP_GUEST_TIMEOUT_MS: number = 15 * SECOND_MS;
/** How long a guest may take to say that it will power off. */
export const STOP_ASK_TIMEOUT_MS: number = 3 * SECOND_MS;
/** A killed process ends within this, or the host is in trouble. */
export const KILL_TIMEOUT_MS: number = 10 * SECOND_MS;
/** How long the end of a process may come after the end of its connection. */
export const END_NOTICE_MS: number = SECOND_MS;

/** What is kept of the console. A power of two: QEMU holds it in a ring of this size. */
export const CONSOLE_BYTES_MAX: number = 256 * KIB;
/** What a VMM's own messages may take on the disk before they are cut. A guest can provoke messages. */
export const LOG_BYTES_MAX: number = 256 * KIB;
/** How often the size of a VMM's log is looked at. */
export const LOG_CHECK_MS: number = 5 * SECOND_MS;
/** How much of a VMM's log an error may quote. */
export const LOG_TAIL_BYTES = 2048;

/** Layers of a disk's chain; a longer one is flattened when it is restored. QEMU opens every one of them. */
export const DISK_LAYERS_MAX = 32;
