/** Chains of raw and qcow2 layers, read by `qemu-img`: it knows the format, we read the bytes. */
import { KelpieError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { diskLayerPath } from '../snapshot/local-snapshot.ts';
import { PageMap } from '../snapshot/page-map.ts';
import { mapImage } from '../vm/qemu-img.ts';
import type { Env } from '../env/env.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { MappedRun } from '../snapshot/page-map.ts';
import type { ImageExtent } from '../vm/qemu-img.ts';
import type { DiskImages } from './disk-images.ts';

const WHAT = 'the disk of the snapshot';

export class QemuDiskImages implements DiskImages {
  readonly #env: Env;
  readonly #blobDirectory: string;

  constructor(env: Env, blobDirectory: string) {
    this.#env = env;
    this.#blobDirectory = blobDirectory;
  }

  async pageMap(layers: readonly DiskLayer[], signal?: AbortSignal): Promise<PageMap> {
    const top = this.#top(layers);
    const path = diskLayerPath(this.#blobDirectory, top);
    const entries = await mapImage(this.#env, { path, format: top.format, what: WHAT }, signal);
    const runs = entries
      .filter((entry) => entry.data && !entry.zero)
      .map((entry) => this.#toRun(entry, layers));
    const isWithin = runs.every(({ firstPage, count }) => (firstPage + count) * PAGE_BYTES <= top.sizeBytes);
    if (!isWithin) throw this.#unreadable('it is larger than the snapshot says');
    return PageMap.of(top.sizeBytes / PAGE_BYTES, runs);
  }

  #toRun({ start, length, offset, depth }: ImageExtent, layers: readonly DiskLayer[]): MappedRun {
    // Depth 0 is the top; what qemu-img says of file names is how it opened them, not ours to rely on.
    const layer = layers.at(-1 - depth);
    if (layer === undefined || offset === undefined)
      throw this.#unreadable('a layer is compressed or missing');
    if ([start, length, offset].some((bytes) => bytes % PAGE_BYTES !== 0))
      throw this.#unreadable('its extents are not of whole pages');
    return {
      firstPage: start / PAGE_BYTES,
      count: length / PAGE_BYTES,
      pageFile: layer.id,
      sourcePage: offset / PAGE_BYTES,
    };
  }

  #top(layers: readonly DiskLayer[]): DiskLayer {
    const top = layers.at(-1);
    if (top === undefined) throw this.#unreadable('it has no layers');
    return top;
  }

  #unreadable(why: string): KelpieError {
    return new KelpieError('snapshot_corrupt', `${WHAT} cannot be read: ${why}.`);
  }
}
