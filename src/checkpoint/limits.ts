/** Bounds of checkpoints; what is larger is refused before anything is allocated for it. */
import { HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS } from '../base/units.ts';
import { CHECKPOINT_PAGES } from '../snapshot/page-counts.ts';

/** Applications of one checkpoint. */
export const APPLICATIONS_MAX = 16;
/** One manifest of a guest. */
export const MANIFEST_BYTES_MAX: number = 64 * KIB;
/** Where a guest keeps its manifests. */
export const MANIFEST_DIRECTORY = '/etc/kelpie/checkpoint.d';
export const WORKSPACE_PATHS_MAX = 64;
export const WORKSPACE_PATH_BYTES_MAX = 1024;
export const ENVIRONMENT_NAMES_MAX = 128;
/** Of one process, as the kernel tells it. */
export const ENVIRONMENT_BYTES_MAX: number = 256 * KIB;
/** What an application's command writes of its state: what is larger belongs into its workspace. */
export const STATE_BYTES_MAX: number = 16 * MIB;

export const HOOK_TIMEOUT_MS_DEFAULT: number = MINUTE_MS;
export const HOOK_TIMEOUT_MS_MIN: number = SECOND_MS;
export const HOOK_TIMEOUT_MS_MAX: number = HOUR_MS;
/** For all files of a workspace, out of a guest or into one. */
export const FILES_TIMEOUT_MS: number = 4 * HOUR_MS;
/** How long nothing of them may move while the guest's is the next step. */
export const FILES_STILL_MS: number = 2 * MINUTE_MS;
/** How much longer than the guest the host waits: the guest ends a command 2 s after it was asked to end. */
export const COMMAND_GRACE_MS: number = 15 * SECOND_MS;
/** What is kept of a command's messages; the last of them say why it failed. */
export const MESSAGES_BYTES_MAX: number = 8 * KIB;
/** Of which a person reads as much. */
export const MESSAGE_LENGTH_MAX = 200;

/** Files, folders and links of one checkpoint. */
export const ENTRIES_MAX: number = 256 * KIB;
export const ENTRY_PATH_BYTES_MAX = 4096;
/** Extended attributes and access lists of one file. */
export const EXTENDED_BYTES_MAX: number = 128 * KIB;
/** The list of all files. */
export const INDEX_BYTES_MAX: number = 64 * MIB;
/** What says where the rest is. */
export const HEAD_BYTES_MAX: number = 4 * MIB;
/** All pages of an archive. */
export const ARCHIVE_PAGES_MAX: number = CHECKPOINT_PAGES;
/** Pages of the checkpoint before that are looked at for what did not change: more cost memory, fewer cost bytes that are sent again. */
export const KNOWN_PAGES_MAX: number = 2 ** 20;
/** How often a workspace is read that changes meanwhile. */
export const ATTEMPTS_MAX = 3;
/** Sockets that are named to people; the others are counted. */
export const LEFT_OUT_TOLD_MAX = 3;

/** Bytes that lie in pages one after the other; a longer stretch is said to be several. */
export const SEGMENT_BYTES_MAX: number = 256 * KIB;
