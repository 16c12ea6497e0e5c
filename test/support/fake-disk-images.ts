import { defined } from '../../src/base/assert.ts';
import { PAGE_BYTES } from '../../src/base/units.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';
import type { DiskImages } from '../../src/teleport/disk-images.ts';

/** Chains of raw layers each of which is whole: only its first page holds anything. */
export const fakeDiskImages: DiskImages = {
  pageMap: async (layers) => {
    const { id, sizeBytes } = defined(layers.at(-1), 'a layer');
    return PageMap.of(sizeBytes / PAGE_BYTES, [{ firstPage: 0, count: 1, pageFile: id, sourcePage: 0 }]);
  },
};
