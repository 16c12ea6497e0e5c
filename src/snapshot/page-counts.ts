import { GIB, MIB, PAGE_BYTES } from '../base/units.ts';
import type { SnapshotMetadata } from './metadata.ts';

/** Pages of a checkpoint's archive: always as many, most of them zeros, which cost nothing. */
export const CHECKPOINT_PAGES: number = (16 * GIB) / PAGE_BYTES;

/** Pages of the two maps of a snapshot. A checkpoint has its archive in the place of the memory, and an empty page for a disk. */
export function pageCountsOf({ kind, config }: Pick<SnapshotMetadata, 'kind' | 'config'>): {
  readonly memory: number;
  readonly disk: number;
} {
  if (kind === 'checkpoint') return { memory: CHECKPOINT_PAGES, disk: 1 };
  return { memory: (config.memoryMib * MIB) / PAGE_BYTES, disk: (config.diskMib * MIB) / PAGE_BYTES };
}
