import type { StoreMap } from './store-map.ts';

/**
 * Where the pages of this host's immutable files (page files, disk layers; by UUID) lie in one store. It makes the second publish
 * send only what changed, and an interrupted one go on where it stopped. What it says may be out of date, since packs may have been
 * removed: a publisher checks before it refers to them. Losing it costs bytes, nothing else.
 */
export interface PlaceBook {
  /** What is known of a file; null when nothing is, or what was written down is damaged. Pages of the map are pages of the file. */
  of(file: string): Promise<StoreMap | null>;
  /** Replaces what is known of a file: it outlasts this process, not a power cut. */
  set(file: string, places: StoreMap): Promise<void>;
  /** What is known of these files outlasts a power cut, too. */
  settle(files: readonly string[]): Promise<void>;
}
