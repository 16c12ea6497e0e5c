import type { Env } from '../env/env.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import { checkRestorable } from './check-restorable.ts';
import type { ObjectStore } from './objects/object-store.ts';
import { PackageCache, listPackages } from './packages/list-packages.ts';
import { openPackage } from './packages/open-package.ts';
import { isPackageId, packageKey } from './packages/package-key.ts';
import { requirePublisher } from './packages/sealing.ts';
import type { PackageSealing } from './packages/sealing.ts';
import { StreamedPackage } from './packages/streamed-package.ts';
import { uploadImage } from './packages/upload-image.ts';
import { uploadPackage } from './packages/upload-package.ts';
import type { UploadStore } from './packages/upload-package.ts';
import type {
  ImageSource,
  OpenPackage,
  PackageListing,
  PackageSource,
  PackageWriter,
  StreamedSource,
  TeleportPackage,
  TeleportStorage,
  TransferOptions,
} from './teleport-storage.ts';

export interface PackageStorageOptions {
  readonly hostArchitecture: Architecture;
  readonly hostName: string;
}

/** Where packages are, and what opens them. */
export interface PackagePlace {
  /** As the user wrote it: another operation of this host opens the store by it, also after a restart. */
  readonly url: string;
  readonly objects: ObjectStore;
  readonly sealing: PackageSealing;
  /** Makes the place a store, when it is none yet. */
  readonly ensureRoot: () => Promise<unknown>;
}

/** Packages over any object store. */
export class PackageStorage implements TeleportStorage {
  readonly hostArchitecture: Architecture;
  readonly #env: Pick<Env, 'clock' | 'compute' | 'files' | 'random'>;
  readonly #store: PackagePlace;
  readonly #hostName: string;
  readonly #cache = new PackageCache();

  constructor(
    env: Pick<Env, 'clock' | 'compute' | 'files' | 'random'>,
    store: PackagePlace,
    { hostArchitecture, hostName }: PackageStorageOptions,
  ) {
    this.#env = env;
    this.#store = store;
    this.hostArchitecture = hostArchitecture;
    this.#hostName = hostName;
  }

  get url(): string {
    return this.#store.url;
  }
  get isEncrypted(): boolean {
    return this.#store.sealing.isEncrypted;
  }
  get recipientCount(): number | null {
    return this.#store.sealing.recipientCount;
  }

  async upload(source: PackageSource, options: TransferOptions = {}): Promise<TeleportPackage> {
    this.#env.compute.prepareFrames();
    return await uploadPackage(this.#env, await this.#storeToSend(), source, options);
  }

  async uploadImage(image: ImageSource, options: TransferOptions = {}): Promise<number> {
    return await uploadImage(this.#env, await this.#storeToSend(), image, options);
  }

  async write(source: StreamedSource, options: TransferOptions = {}): Promise<PackageWriter> {
    return await StreamedPackage.begin(this.#env, await this.#storeToSend(), source, options);
  }

  /** The store with its root, into which this host may publish. */
  async #storeToSend(): Promise<UploadStore> {
    const { objects, sealing, ensureRoot } = this.#store;
    requirePublisher(sealing);
    await ensureRoot();
    return { objects, sealing, hostName: this.#hostName };
  }

  async download(packageId: string): Promise<OpenPackage> {
    return await openPackage(this.#env, this.#store, packageId);
  }

  async downloadForRestore(packageId: string): Promise<OpenPackage> {
    this.#env.compute.prepareFrames();
    const opened = await this.download(packageId);
    checkRestorable(opened.package, this.hostArchitecture);
    return opened;
  }

  async delete(packageId: string): Promise<void> {
    if (isPackageId(packageId)) await this.#store.objects.delete(packageKey(packageId));
  }

  async list(): Promise<readonly PackageListing[]> {
    return await listPackages(this.#env, this.#store, this.#cache);
  }
}
