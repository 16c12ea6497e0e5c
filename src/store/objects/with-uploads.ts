/** The half of a store that is about objects in parts, for stores that keep their uploads in a class of its own. */
import type { Bytes } from '../../base/bytes.ts';
import { checkPart, checkParts, checkUpload } from './check-arguments.ts';
import { requireKey, requirePrefix } from './object-key.ts';
import type { ActOptions, ObjectStore, UnfinishedPage, Upload, UploadedPart } from './object-store.ts';

/** Its arguments were checked, and no act was canceled before it began. */
export interface ObjectUploads {
  start(key: string, partBytes: number, options: ActOptions): Promise<Upload>;
  putPart(upload: Upload, number: number, bytes: Bytes, options: ActOptions): Promise<UploadedPart>;
  complete(upload: Upload, parts: readonly UploadedPart[], options: ActOptions): Promise<void>;
  abort(upload: Pick<Upload, 'key' | 'id'>, options: ActOptions): Promise<void>;
  list(options: { readonly prefix: string } & ActOptions): Promise<UnfinishedPage>;
}

type UploadActs = Pick<
  ObjectStore,
  'startUpload' | 'putPart' | 'completeUpload' | 'abortUpload' | 'listUploads'
>;

/** `ObjectStore` has the contract. */
export abstract class WithUploads implements UploadActs {
  readonly #uploads: ObjectUploads;

  constructor(uploads: ObjectUploads) {
    this.#uploads = uploads;
  }

  async startUpload(key: string, partBytes: number, options: ActOptions = {}): Promise<Upload> {
    checkUpload(key, partBytes);
    options.signal?.throwIfAborted();
    return await this.#uploads.start(key, partBytes, options);
  }

  async putPart(
    upload: Upload,
    number: number,
    bytes: Bytes,
    options: ActOptions = {},
  ): Promise<UploadedPart> {
    checkPart(upload, number, bytes.byteLength);
    options.signal?.throwIfAborted();
    return await this.#uploads.putPart(upload, number, bytes, options);
  }

  async completeUpload(
    upload: Upload,
    parts: readonly UploadedPart[],
    options: ActOptions = {},
  ): Promise<void> {
    checkParts(upload, parts);
    options.signal?.throwIfAborted();
    await this.#uploads.complete(upload, parts, options);
  }

  async abortUpload(upload: Pick<Upload, 'key' | 'id'>, options: ActOptions = {}): Promise<void> {
    requireKey(upload.key);
    options.signal?.throwIfAborted();
    await this.#uploads.abort(upload, options);
  }

  async listUploads(options: { readonly prefix: string } & ActOptions): Promise<UnfinishedPage> {
    requirePrefix(options.prefix);
    options.signal?.throwIfAborted();
    return await this.#uploads.list(options);
  }
}
