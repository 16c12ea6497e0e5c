/** Multipart uploads. The digest of each part's bytes is signed with its request, so the service checks it. */
import type { Bytes } from '../../../base/bytes.ts';
import { DOCUMENT_BYTES_MAX, ERROR_BYTES_MAX, LIST_PAGE_MAX } from '../limits.ts';
import { isObjectKey } from '../object-key.ts';
import type { ActOptions, UnfinishedPage, Upload, UploadedPart } from '../object-store.ts';
import { missingUpload } from '../told-troubles.ts';
import type { ObjectUploads } from '../with-uploads.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import { etagOf, parseDocument, parseUploads, uploadIdOf } from './answers.ts';
import { encryptionHeaders, objectType } from './object-headers.ts';
import { documentBytes } from './s3-client.ts';
import type { S3Client } from './s3-client.ts';
import type { S3Settings } from './s3-settings.ts';
import { escapeXml } from './xml.ts';

export class S3Uploads implements ObjectUploads {
  readonly #client: S3Client;
  readonly #settings: S3Settings;

  constructor(client: S3Client, settings: S3Settings) {
    this.#client = client;
    this.#settings = settings;
  }

  async start(key: string, partBytes: number, { signal }: ActOptions): Promise<Upload> {
    const { body } = await this.#client.send({
      method: 'POST',
      key: this.#name(key),
      query: { uploads: '' },
      headers: { ...objectType, ...encryptionHeaders(this.#settings.encryption) },
      isWrite: true,
      answerBytesMax: ERROR_BYTES_MAX,
      signal,
    });
    const root = parseDocument(body, 'InitiateMultipartUploadResult', this.#settings.url);
    return { key, id: uploadIdOf(root, this.#settings.url), partBytes };
  }

  async putPart(upload: Upload, number: number, bytes: Bytes, { signal }: ActOptions): Promise<UploadedPart> {
    const { headers } = await this.#inUpload(
      upload.key,
      async () =>
        await this.#client.send({
          method: 'PUT',
          key: this.#name(upload.key),
          query: { partNumber: String(number), uploadId: upload.id },
          body: bytes,
          isWrite: true,
          answerBytesMax: ERROR_BYTES_MAX,
          signal,
        }),
    );
    return { number, etag: etagOf(headers, this.#settings.url), sizeBytes: bytes.byteLength };
  }

  async complete(upload: Upload, parts: readonly UploadedPart[], { signal }: ActOptions): Promise<void> {
    const list = parts.map(
      ({ number, etag }) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>"${escapeXml(etag)}"</ETag></Part>`,
    );
    const { body } = await this.#inUpload(
      upload.key,
      async () =>
        await this.#client.send({
          method: 'POST',
          key: this.#name(upload.key),
          query: { uploadId: upload.id },
          headers: { 'content-type': 'application/xml' },
          body: documentBytes(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`),
          isWrite: true,
          answerBytesMax: ERROR_BYTES_MAX,
          signal,
        }),
    );
    // It should have an ETag too, but Ceph leaves that empty.
    parseDocument(body, 'CompleteMultipartUploadResult', this.#settings.url);
  }

  async abort({ key, id }: Pick<Upload, 'key' | 'id'>, { signal }: ActOptions): Promise<void> {
    try {
      await this.#client.send({
        method: 'DELETE',
        key: this.#name(key),
        query: { uploadId: id },
        isWrite: true,
        answerBytesMax: ERROR_BYTES_MAX,
        signal,
      });
    } catch (error) {
      if (!isStoreTrouble(error, 'upload_missing')) throw error;
    }
  }

  async list({ prefix, signal }: { readonly prefix: string } & ActOptions): Promise<UnfinishedPage> {
    const { body } = await this.#client.send({
      method: 'GET',
      key: '',
      query: {
        uploads: '',
        'encoding-type': 'url',
        'max-uploads': String(LIST_PAGE_MAX),
        prefix: this.#name(prefix),
      },
      isWrite: false,
      answerBytesMax: DOCUMENT_BYTES_MAX,
      signal,
    });
    const { uploads, isTruncated } = parseUploads(body, this.#settings.url);
    const ours = uploads.flatMap(({ name, ...facts }) => {
      const key = name.slice(this.#settings.prefix.length);
      return name.startsWith(this.#name(prefix)) && isObjectKey(key) ? [{ key, ...facts }] : [];
    });
    return { uploads: ours, isMore: isTruncated };
  }

  /** The same words as every store's, for an upload that is over. */
  async #inUpload<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw isStoreTrouble(error, 'upload_missing') ? missingUpload(key, error) : error;
    }
  }

  #name(key: string): string {
    return `${this.#settings.prefix}${key}`;
  }
}
