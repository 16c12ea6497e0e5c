/** Bounds of snapshot blobs. All are checked before anything is allocated for what they bound. */
import { GIB, KIB, MIB, PAGE_BYTES } from '../../base/units.ts';

/** Device state of one VM: a few hundred KiB with our devices, tens of MiB with a large frame buffer. It is streamed. */
export const BLOB_DEVICE_STATE_BYTES_MAX: number = GIB;

/** Memory and disks of one blob. */
export const BLOB_VOLUMES_MAX = 17;

/** Pages of one frame: what a reader holds. */
export const BLOB_FRAME_PAGES_MAX: number = MIB / PAGE_BYTES;

/** Zeros of a full image are written in pieces of this size. */
export const BLOB_ZEROS_BYTES: number = 256 * KIB;
