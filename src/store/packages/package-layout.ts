import type { ActOptions } from '../objects/object-store.ts';
import { planRanges } from './frame-ranges.ts';
import type { Paged, StoredPackage } from './open-package.ts';

/** How a memory or a disk lies in its store: what a restore has to fetch. */
export interface PagedLayout {
  /** Pages that are not zero. */
  readonly pages: number;
  readonly runs: number;
  readonly frames: number;
  /** Requests for all of them. */
  readonly requests: number;
  /** Stored bytes that these bring. */
  readonly fetchedBytes: number;
  /** Raw bytes of the frames; those of pages that were overwritten since are fetched for nothing. */
  readonly rawBytes: number;
}

export interface PackageLayout {
  readonly packs: number;
  /** Of them, how many the package brought. */
  readonly ownPacks: number;
  readonly memory: PagedLayout;
  readonly disk: PagedLayout;
}

/** @throws KelpieError `package_corrupt`, `package_not_found`; StoreTrouble. */
export async function layoutOf(opened: StoredPackage, options: ActOptions = {}): Promise<PackageLayout> {
  const { packs, ownPacks } = opened.manifest;
  return {
    packs: packs.length,
    ownPacks,
    memory: await pagedLayout(opened, 'memory', options),
    disk: await pagedLayout(opened, 'disk', options),
  };
}

async function pagedLayout(opened: StoredPackage, paged: Paged, options: ActOptions): Promise<PagedLayout> {
  const map = await opened.map(paged, options);
  const ranges = planRanges(map.frames);
  return {
    pages: map.pages,
    runs: map.runCount,
    frames: map.frames.length,
    requests: ranges.length,
    fetchedBytes: ranges.reduce((sum, { length }) => sum + length, 0),
    rawBytes: map.frames.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
  };
}
