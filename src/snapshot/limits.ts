/** Bounds of snapshots; what is larger is refused before anything is allocated for it. */

/** Pages of one memory: 1 TiB. Page numbers fit in 32 bits with room to spare. */
export const MEMORY_PAGES_MAX: number = 2 ** 28;

/** Page files that one page map names. Each snapshot of a VM adds one until the oldest pages are all overwritten. */
export const PAGE_FILES_MAX = 65_536;

/** Runs of one page map: memory so scattered that it reaches this is a program gone wrong, or an attack. */
export const PAGE_MAP_RUNS_MAX: number = 2 ** 24;
