import type { Bytes } from '../../base/bytes.ts';
import { throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError, isKelpieError } from '../../base/errors.ts';
import { createSynced } from '../../env/durable-files.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import { checkRestorable } from '../check-restorable.ts';
import { MANIFEST_BYTES_MAX, PACKAGES_LISTED_MAX } from '../limits.ts';
import { isDigest, parseManifest, sealManifest } from '../package-manifest.ts';
import type {
  BlobReference,
  OpenPackage,
  PackageListing,
  PackageSource,
  SegmentInfo,
  TeleportPackage,
  TeleportStorage,
  TransferOptions,
} from '../teleport-storage.ts';
import type { LocalStore } from './local-store.ts';
import { publishPackage } from './publish-package.ts';
import { storeFailure } from './store-failure.ts';
import { readVerified, writeStream } from './verified-file.ts';
import { sweepWorkspaces } from './workspace.ts';

/** Packages in a directory. */
export class LocalStorage implements TeleportStorage {
  readonly hostArchitecture: Architecture;
  readonly #store: LocalStore;

  constructor(store: LocalStore, hostArchitecture: Architecture) {
    this.#store = store;
    this.hostArchitecture = hostArchitecture;
  }

  get url(): string {
    return this.#store.url;
  }

  async upload(source: PackageSource, options: TransferOptions = {}): Promise<TeleportPackage> {
    return await this.#store.attempt('write to', async () => {
      await this.#checkImageFiles(source.imageFiles);
      const workspace = await this.#store.openWorkspace();
      return await workspace.use(async () => {
        const directory = `${workspace.path}/package`;
        const published = await this.#writePackage(directory, source, options);
        throwIfCanceled(options.signal, 'publishing the package');
        await publishPackage(this.#store.env.files, directory, this.#packages, published);
        return published;
      });
    });
  }

  async download(packageId: string): Promise<OpenPackage> {
    const opened = await this.#store.attempt('read', async () => await this.#readManifest(packageId));
    return { package: opened, segment: (name, options) => this.#readSegment(opened, name, options ?? {}) };
  }

  async downloadForRestore(packageId: string): Promise<OpenPackage> {
    const opened = await this.download(packageId);
    checkRestorable(opened.package, this.hostArchitecture);
    return opened;
  }

  async delete(packageId: string): Promise<void> {
    if (!isDigest(packageId)) return;
    await this.#store.attempt('write to', async () => {
      const workspace = await this.#store.openWorkspace();
      await workspace.use(async () => {
        try {
          // In one step: a reader that has it open reads on, nobody else sees a part of it.
          await this.#store.env.files.rename(this.#package(packageId), `${workspace.path}/deleted`);
        } catch (error) {
          if (isSystemError(error, 'ENOENT')) return;
          throw error;
        }
        await this.#store.env.files.syncDirectory(this.#packages);
      });
    });
  }

  async list(): Promise<readonly PackageListing[]> {
    return await this.#store.attempt('read', async () => {
      const dated: { readonly id: string; readonly publishedAtUnixMs: number }[] = [];
      for (const id of (await this.#store.ifThere(
        async () => await this.#store.env.files.list(this.#packages),
      )) ?? []) {
        const publishedAtUnixMs = isDigest(id) ? await this.#publishedAt(id) : null;
        if (publishedAtUnixMs !== null) dated.push({ id, publishedAtUnixMs });
      }
      dated.sort((a, b) => b.publishedAtUnixMs - a.publishedAtUnixMs || (a.id < b.id ? -1 : 1));
      const listings: PackageListing[] = [];
      for (const { id, publishedAtUnixMs } of dated.slice(0, PACKAGES_LISTED_MAX)) {
        const listing = await this.#describe(id, publishedAtUnixMs);
        if (listing !== null) listings.push(listing);
      }
      return listings;
    });
  }

  async uploadBlob(
    blob: BlobReference,
    bytes: () => AsyncIterable<Bytes>,
    options: TransferOptions = {},
  ): Promise<void> {
    const { files } = this.#store.env;
    await this.#store.attempt('write to', async () => {
      if (!(await this.#hasBlob(blob))) {
        const workspace = await this.#store.openWorkspace();
        await workspace.use(async () => {
          const path = `${workspace.path}/blob`;
          const sha256 = await writeStream(this.#store.env, path, { ...blob, bytes }, options);
          if (sha256 !== blob.sha256)
            throw new KelpieError('image_corrupt', `${blob.name} of the image is damaged on this host.`);
          await files.rename(path, this.#blob(blob));
        });
      }
      // Also when it was there: whoever brought it may not have come this far yet.
      await files.syncDirectory(this.#store.directory('blobs'));
    });
  }

  async *downloadBlob(blob: BlobReference, options: TransferOptions = {}): AsyncGenerator<Bytes> {
    try {
      yield* readVerified(this.#store.env, this.#blob(blob), blob, options);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw storeFailure(error, this.url, 'read');
      throw new KelpieError('not_found', `the store ${this.url} has no ${blob.name} of this image.`, {
        cause: error,
      });
    }
  }

  async sweep(): Promise<{ readonly removed: number; readonly removedBytes: number }> {
    return await this.#store.attempt('write to', async () => {
      await this.#store.layOut();
      return await sweepWorkspaces(this.#store.env, this.#store.directory('uploads'));
    });
  }

  get #packages(): string {
    return this.#store.directory('packages');
  }

  #package(packageId: string): string {
    return `${this.#packages}/${packageId}`;
  }

  #blob(blob: BlobReference): string {
    if (!isDigest(blob.sha256))
      throw new KelpieError('invalid_argument', `"${blob.sha256}" is not a digest.`);
    return `${this.#store.directory('blobs')}/${blob.sha256}`;
  }

  /** Writes the whole package into `directory`, manifest last, all of it synced. */
  async #writePackage(
    directory: string,
    source: PackageSource,
    options: TransferOptions,
  ): Promise<TeleportPackage> {
    const { env } = this.#store;
    await env.files.makeDirectoryExclusive(directory);
    const segments: SegmentInfo[] = [];
    for (const segment of source.segments) {
      const { name, sizeBytes } = segment;
      segments.push({
        name,
        sizeBytes,
        sha256: await writeStream(env, `${directory}/${name}`, segment, options),
      });
    }
    await env.files.syncDirectory(directory);
    const { metadata, imageFiles } = source;
    const manifest = sealManifest(env.compute, { metadata, segments, imageFiles });
    await createSynced(env.files, `${directory}/manifest.json`, manifest.bytes);
    await env.files.syncDirectory(directory);
    return { id: manifest.id, metadata, segments, imageFiles };
  }

  /** What a manifest names is in the store before the manifest is. */
  async #checkImageFiles(imageFiles: readonly BlobReference[]): Promise<void> {
    for (const blob of imageFiles) {
      if (await this.#hasBlob(blob)) continue;
      throw new KelpieError(
        'not_found',
        `the store ${this.url} has no ${blob.name} of this image: it is uploaded first.`,
      );
    }
  }

  async #hasBlob(blob: BlobReference): Promise<boolean> {
    const stat = await this.#store.ifThere(async () => await this.#store.env.files.stat(this.#blob(blob)));
    return stat?.sizeBytes === blob.sizeBytes;
  }

  async #readManifest(packageId: string): Promise<TeleportPackage> {
    const { files, compute } = this.#store.env;
    const bytes = isDigest(packageId)
      ? await this.#store.ifThere(
          async () => await files.readFile(`${this.#package(packageId)}/manifest.json`, MANIFEST_BYTES_MAX),
        )
      : null;
    if (bytes === null)
      throw new KelpieError('package_not_found', `the store ${this.url} has no package "${packageId}".`);
    return parseManifest(compute, packageId, bytes);
  }

  async *#readSegment(
    opened: TeleportPackage,
    name: SegmentInfo['name'],
    options: TransferOptions,
  ): AsyncGenerator<Bytes> {
    const info = opened.segments.find((segment) => segment.name === name);
    if (info === undefined) throw new KelpieError('package_corrupt', `package ${opened.id} has no ${name}.`);
    try {
      yield* readVerified(this.#store.env, `${this.#package(opened.id)}/${name}`, info, options);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw storeFailure(error, this.url, 'read');
      throw new KelpieError('package_corrupt', `package ${opened.id} cannot be used: ${name} is missing.`, {
        cause: error,
      });
    }
  }

  /** When the package was published, or would be if it had a manifest; null when it is gone. */
  async #publishedAt(id: string): Promise<number | null> {
    const { files } = this.#store.env;
    const manifest = await this.#store.ifThere(
      async () => await files.stat(`${this.#package(id)}/manifest.json`),
    );
    const stat = manifest ?? (await this.#store.ifThere(async () => await files.stat(this.#package(id))));
    return stat === null ? null : Math.floor(stat.modifiedMs);
  }

  async #describe(id: string, publishedAtUnixMs: number): Promise<PackageListing | null> {
    try {
      const found = await this.#readManifest(id);
      await this.#checkSegmentSizes(found);
      const sizeBytes = found.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
      return { damaged: false, package: found, sizeBytes, publishedAtUnixMs };
    } catch (error) {
      if (!isKelpieError(error, 'package_not_found', 'package_corrupt', 'package_too_new')) throw error;
      // Deleted since the directory was listed, or without the manifest that makes it a package.
      if ((await this.#publishedAt(id)) === null) return null;
      return { damaged: true, id, reason: error.message };
    }
  }

  async #checkSegmentSizes(found: TeleportPackage): Promise<void> {
    const { files } = this.#store.env;
    for (const { name, sizeBytes } of found.segments) {
      const stat = await this.#store.ifThere(
        async () => await files.stat(`${this.#package(found.id)}/${name}`),
      );
      if (stat?.sizeBytes === sizeBytes) continue;
      throw new KelpieError(
        'package_corrupt',
        `package ${found.id} cannot be used: ${name} is missing or cut.`,
      );
    }
  }
}
