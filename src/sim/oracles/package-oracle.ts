/** Nothing is lost: what the store's records and manifests name is there, durably and byte for byte. */
import { z } from 'zod';
import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { PureCompute } from '../../env/compute.ts';
import { parseJson } from '../parse-json.ts';
import type { World } from '../world/world.ts';
import { bytesOf, directoryIn, entriesOf, newestRecords } from './store-view.ts';

interface Part {
  readonly name: string;
  readonly sha256: string;
}

const partSchema: z.ZodType<Part> = z.object({ name: z.string(), sha256: z.string() });
const manifestSchema = z.object({ segments: z.array(partSchema), imageFiles: z.array(partSchema) });

export class PackageOracle {
  readonly #world: World;
  readonly #compute: PureCompute;
  /** Packages that were checked whole. */
  readonly #checked = new Set<string>();

  constructor(world: World, compute: PureCompute) {
    this.#world = world;
    this.#compute = compute;
  }

  /** Called now and then. */
  check(): void {
    for (const record of newestRecords(this.#world, 'cached')) {
      if (record.state === 'at-rest' && record.packageId !== null)
        this.#checkPackage(record.packageId, record.text);
    }
  }

  /** Looks at every byte again. */
  checkAll(): void {
    this.#checked.clear();
    this.check();
  }

  #checkPackage(id: string, because: string): void {
    if (this.#checked.has(id)) return;
    this.#checked.add(id);
    const lost = (what: string): void =>
      this.#world.truth.violated('packages', `${what} of package ${id} is not durable, though ${because}`);
    const directory = directoryIn(
      this.#world.storeVolume.root,
      `${this.#world.storeRoot}/packages/${id}`,
      'durable',
    );
    const manifest =
      directory === null ? null : bytesOf(entriesOf(directory, 'durable').get('manifest.json'), 'durable');
    if (directory === null || manifest === null || this.#compute.sha256(manifest) !== id)
      return lost('the manifest');
    const { segments, imageFiles } = parseJson(manifestSchema, fromUtf8Lossy(manifest));
    const blobs = directoryIn(this.#world.storeVolume.root, `${this.#world.storeRoot}/blobs`, 'durable');
    for (const { name, sha256 } of segments) {
      if (!this.#isThere(bytesOf(entriesOf(directory, 'durable').get(name), 'durable'), sha256)) lost(name);
    }
    for (const { name, sha256 } of imageFiles) {
      const inode = blobs === null ? undefined : entriesOf(blobs, 'durable').get(sha256);
      if (!this.#isThere(bytesOf(inode, 'durable'), sha256)) lost(`the image's ${name}`);
    }
  }

  #isThere(bytes: Uint8Array | null, sha256: string): boolean {
    return bytes !== null && this.#compute.sha256(bytes) === sha256;
  }
}
