/** A published package as it is read: its manifest at once, everything else when it is asked for. */
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { FileHandle } from '../../env/files.ts';
import { pageCountsOf } from '../../snapshot/page-counts.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import type { BlobReference, OpenPackage, TeleportPackage, TransferOptions } from '../teleport-storage.ts';
import { fetchPages } from './fetch-pages.ts';
import type { FetchPagesOptions } from './fetch-pages.ts';
import { FrameReader } from './frame-reader.ts';
import { STORE_MAP_BYTES_MAX } from './limits.ts';
import { parseManifest } from './manifest.ts';
import type { PackageManifest } from './manifest.ts';
import { isPackageId, packageKey } from './package-key.ts';
import { streamPages } from './page-stream.ts';
import { readStream, readWholeStream } from './read-stream.ts';
import type { PackageSealing } from './sealing.ts';
import { decodeStoreMap } from './store-map-codec.ts';
import type { StoreMap } from './store-map.ts';

export type PackageEnv = Pick<Env, 'clock' | 'compute'>;

/** Where packages are, and what opens them. */
export interface PackageStore {
  readonly objects: Pick<ObjectStore, 'get' | 'head' | 'url'>;
  readonly sealing: PackageSealing;
}

export type Paged = 'memory' | 'disk';

/**
 * The manifest's bytes, whose digest is the id: not checked yet.
 * @throws KelpieError `package_not_found`, also for what is no id; StoreTrouble.
 */
export async function readManifest(
  objects: Pick<ObjectStore, 'get' | 'url'>,
  packageId: string,
  options: ActOptions = {},
): Promise<Bytes> {
  const object = isPackageId(packageId) ? await objects.get(packageKey(packageId), options) : null;
  if (object !== null) return object.bytes;
  const message = `there is no package ${packageId} in ${objects.url}: kelpie package ls lists them.`;
  throw new KelpieError('package_not_found', message);
}

/** What the manifest says to people. */
export function describePackage(
  id: string,
  { body, isEncrypted, signedBy }: PackageManifest,
): TeleportPackage {
  const { metadata, parentId, sizes } = body;
  const imageFiles: readonly BlobReference[] = body.imageFiles.map(({ name, stream }) => {
    const { sizeBytes, sha256 } = stream;
    return { name, sizeBytes, sha256 };
  });
  return { id, metadata, parentId, sizes, imageFiles, isEncrypted, signedBy };
}

/** @throws KelpieError `package_not_found`, `package_corrupt`, `package_too_new`, `permission_denied`; StoreTrouble. */
export async function openPackage(
  env: PackageEnv,
  store: PackageStore,
  packageId: string,
  options: ActOptions = {},
): Promise<StoredPackage> {
  const bytes = await readManifest(store.objects, packageId, options);
  return new StoredPackage(
    env,
    store,
    packageId,
    parseManifest(env.compute, store.sealing, packageId, bytes),
  );
}

export class StoredPackage implements OpenPackage {
  readonly package: TeleportPackage;
  readonly storeUrl: string;
  readonly manifest: PackageManifest;
  readonly reader: FrameReader;
  readonly #env: PackageEnv;
  readonly #maps = new Map<Paged, StoreMap>();

  constructor(env: PackageEnv, store: PackageStore, id: string, manifest: PackageManifest) {
    this.#env = env;
    this.package = describePackage(id, manifest);
    this.storeUrl = store.objects.url;
    this.manifest = manifest;
    this.reader = new FrameReader(env, store, { key: packageKey(id), packs: manifest.packs });
  }

  async map(paged: Paged, options: TransferOptions = {}): Promise<StoreMap> {
    const known = this.#maps.get(paged);
    if (known !== undefined) return known;
    const { memoryMap, diskMap } = this.manifest.body;
    const item = `map of the ${paged}`;
    const bytes = await readWholeStream(this.#env, this.reader, paged === 'memory' ? memoryMap : diskMap, {
      ...options,
      item,
      sizeBytesMax: STORE_MAP_BYTES_MAX,
    });
    const map = decodeStoreMap(bytes, this.#env.compute);
    this.reader.requireNamed(map.frames, `the ${item}`);
    this.#requireSize(map, paged);
    this.#maps.set(paged, map);
    return map;
  }

  get deviceStateBytes(): number {
    return this.manifest.body.deviceState.sizeBytes;
  }

  deviceState(options: TransferOptions = {}): AsyncIterable<Bytes> {
    return readStream(this.#env, this.reader, this.manifest.body.deviceState, {
      ...options,
      item: 'device-state',
    });
  }

  async fetchPages(paged: Paged, target: FileHandle, options: FetchPagesOptions = {}): Promise<StoreMap> {
    const { signal } = options;
    const map = await this.map(paged, signal === undefined ? {} : { signal });
    await fetchPages(this.#env, this.reader, map, target, { ...options, item: paged });
    return map;
  }

  async *pages(paged: Paged, options: ActOptions = {}): AsyncGenerator<Bytes, void> {
    yield* streamPages(this.reader, await this.map(paged, options), { ...options, item: paged });
  }

  async *imageFile(name: string, options: TransferOptions = {}): AsyncGenerator<Bytes> {
    const file = this.manifest.body.imageFiles.find((one) => one.name === name);
    if (file === undefined)
      throw new KelpieError('not_found', `the package has no file "${name}" of its VM's image.`);
    yield* readStream(this.#env, this.reader, file.stream, { ...options, item: name });
  }

  /** A map of another size would be written over the end of the VM's memory. */
  #requireSize(map: StoreMap, paged: Paged): void {
    if (map.pageCount === pageCountsOf(this.package.metadata)[paged]) return;
    const message = `the map of the ${paged} of package ${this.package.id} cannot be used: it is of another size than the VM's.`;
    throw new KelpieError('package_corrupt', message);
  }
}
