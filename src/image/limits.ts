import { GIB, KIB, MIB } from '../base/units.ts';

/** The description of an image; ours are about 20 KiB. */
export const IMAGE_JSON_BYTES_MAX: number = 1 * MIB;
/** One file of an image. The largest of ours are the data template (sparse) and the root file system. */
export const IMAGE_FILE_BYTES_MAX: number = 16 * GIB;
/** Packages that one image may have. */
export const IMAGE_PACKAGES_MAX = 4096;
/** How many images of a host are listed. */
export const IMAGES_MAX = 1024;

/** Standard error of a tool that is kept for its error message: the end of it. */
export const TOOL_ERROR_BYTES_MAX: number = 4 * KIB;
/** Answer of a tool that is read whole: apt's list of 200 packages is 40 KiB. */
export const TOOL_OUTPUT_BYTES_MAX: number = 16 * MIB;

/** Files of packages that are looked at while they pass (`/etc`, certificates, templates). */
export const CAPTURED_FILE_BYTES_MAX: number = 4 * MIB;
/** A kernel module, uncompressed; the largest of Debian's cloud kernel is 3 MiB. */
export const KERNEL_MODULE_BYTES_MAX: number = 64 * MIB;
/** Modules that one initramfs may carry, dependencies included. */
export const INITRAMFS_MODULES_MAX = 128;
/** A kernel; Debian's is 14 MiB, uncompressed ones are about 60 MiB. */
export const KERNEL_BYTES_MAX: number = 256 * MIB;
/** The guest agent; ours is under 1 MiB. */
export const AGENT_BYTES_MAX: number = 16 * MIB;
/** Entries of one root file system: ours has about 9,000. */
export const ROOT_ENTRIES_MAX = 500_000;
/** A path or link target in a package. */
export const TAR_PATH_BYTES_MAX: number = 4 * KIB;
/** An apt sources file or `/etc/os-release`. */
export const SOURCES_FILE_BYTES_MAX: number = 256 * KIB;

/** Progress is told at most this often, so that a terminal or a socket is not what the build waits for. */
export const PROGRESS_INTERVAL_MS = 100;
