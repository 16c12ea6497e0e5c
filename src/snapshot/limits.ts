import { KIB, MIB, PAGE_BYTES } from '../base/units.ts';

/** Bounds of snapshots; what is larger is refused before anything is allocated for it. */

/** Pages of a memory or a disk: 8 TiB. Page numbers, and sums of a page number and a count, fit in 32 bits. */
export const PAGES_MAX: number = 2 ** 31;

/** Pages of a memory: 1 TiB. */
export const MEMORY_PAGES_MAX: number = 2 ** 28;

/** Page files that one page map names. Each snapshot of a VM adds one until the oldest pages are all overwritten. */
export const PAGE_FILES_MAX = 65_536;

/** Runs of one page map: memory so scattered that it reaches this is a program gone wrong, or an attack. */
export const PAGE_MAP_RUNS_MAX: number = 2 ** 24;

/** Bytes of `snapshot.json` and of the metadata in a package's manifest. */
export const METADATA_BYTES_MAX: number = 64 * KIB;
export const MESSAGE_LENGTH_MAX = 4096;
export const VM_NAME_LENGTH_MAX = 63;
export const VCPU_COUNT_MAX = 1024;
export const PORT_FORWARDS_MAX = 256;
/** Flags of a processor that are kept; more would be none that we know. */
export const CPU_FLAGS_MAX = 512;
export const MEMORY_MIB_MAX: number = (MEMORY_PAGES_MAX * PAGE_BYTES) / MIB;
export const DISK_MIB_MAX: number = (PAGES_MAX * PAGE_BYTES) / MIB;
/** A line of text in metadata. */
export const LINE_LENGTH_MAX = 200;

/** What a host tells of itself: backends for guests of an architecture, and what each of them has. QEMU 9 has 120 machine types and 130 CPU models. */
export const BACKENDS_MAX = 8;
export const MACHINE_TYPES_MAX = 512;
export const CPU_MODELS_MAX = 512;
export const DEVICE_LAYOUTS_MAX = 16;
export const HOST_IMAGES_MAX = 64;
