/** Bounds of the Firecracker backend alone. */
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../base/units.ts';

/** An answer of the API: the largest, a whole configuration, has some kilobytes. */
export const API_ANSWER_BYTES_MAX: number = 256 * KIB;
/** How long one call of the API may take that does not move memory. */
export const API_CALL_TIMEOUT_MS: number = 10 * SECOND_MS;
/** Creating a snapshot writes memory to the disk and syncs it: for the largest memory on a slow disk. */
export const SNAPSHOT_CREATE_TIMEOUT_MS: number = 10 * MINUTE_MS;
/** Loading maps the memory and opens the devices. */
export const SNAPSHOT_LOAD_TIMEOUT_MS: number = MINUTE_MS;

/** A question to a program about itself. */
export const ASK_TIMEOUT_MS: number = 5 * SECOND_MS;
/** What a program that is asked may say. */
export const ASK_OUTPUT_BYTES_MAX: number = 64 * KIB;
/** A guest of a few instructions ends by itself within this where KVM works. */
export const TRIAL_TIMEOUT_MS: number = 2 * SECOND_MS;

/** One attempt to reach the agent's port; a guest that is not that far yet answers nothing. */
export const VSOCK_ATTEMPT_TIMEOUT_MS = 500;
/** `OK 4294967295` and its newline, with room. */
export const VSOCK_ANSWER_BYTES_MAX = 32;

/** How long a host that can give VMs no network is not looked at again: about what somebody takes who has just installed what was missing. */
export const NO_NETWORK_KEPT_MS: number = 5 * SECOND_MS;
/** One question to slirp4netns, which opens a port or tells which it has. */
export const SLIRP_CALL_TIMEOUT_MS: number = 5 * SECOND_MS;
/** As many published ports as a VM may have are told in less. */
export const SLIRP_ANSWER_BYTES_MAX: number = 64 * KIB;

/** A group that its process has just left is in use for a moment still. */
export const GROUP_TRIES_MAX = 10;
export const GROUP_RETRY_MS = 50;

/** From Ctrl-Alt-Del until Firecracker is killed. */
export const STOP_KEYS_TIMEOUT_MS: number = 3 * SECOND_MS;

/** How often a Firecracker's last words are looked for, on a disk that fails to read. */
export const LAST_WORDS_TRIES_MAX = 3;
export const LAST_WORDS_RETRY_MS: number = SECOND_MS;

/** Longest path of a Unix socket on Linux, without its final zero. */
export const SOCKET_PATH_BYTES_MAX = 107;
/** What a guest may print to its console in a second, where Firecracker can hold it back. */
export const CONSOLE_BYTES_PER_SECOND: number = 256 * KIB;

/** An uncompressed kernel; Debian's has 60–80 MB. */
export const VMLINUX_BYTES_MAX: number = 256 * MIB;
/** Kernels that were unpacked and are kept. */
export const VMLINUX_KEPT_MAX = 4;
/** The compressed kernel that it comes from. */
export const VMLINUZ_BYTES_MAX: number = 64 * MIB;

/** Pieces in which a memory file is looked through: below a turn of the event loop. */
export const SCAN_BYTES: number = 4 * MIB;
