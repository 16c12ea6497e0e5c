/**
 * Large objects on their way into a directory:
 *
 *     uploads/UUID/upload.json   which key, and how large a part is
 *     uploads/UUID/data          every part at its own offset
 *     uploads/UUID/N             the ETag of part N; written when the part's bytes are durable
 *
 * Completing renames `data` to the key, so nothing is copied. What begins or ends is a part for that time (object-tree.ts).
 */
import { z } from 'zod';
import { fromUtf8, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { canonicalJson } from '../../../base/canonical-json.ts';
import { isUuid } from '../../../base/uuid.ts';
import { createSynced } from '../../../env/durable-files.ts';
import type { FileHandle } from '../../../env/files.ts';
import { isSystemError } from '../../../env/system-error.ts';
import { KEY_BYTES_MAX, LIST_PAGE_MAX } from '../limits.ts';
import { isObjectKey } from '../object-key.ts';
import type { UnfinishedPage, UnfinishedUpload, Upload, UploadedPart } from '../object-store.ts';
import { missingUpload } from '../told-troubles.ts';
import type { ObjectUploads } from '../with-uploads.ts';
import type { KeyLocks } from './key-locks.ts';
import type { ObjectTree } from './object-tree.ts';

const uploadSchema = z.strictObject({ key: z.string().max(KEY_BYTES_MAX).refine(isObjectKey) });
/** `{"key":"…"}`. */
const UPLOAD_FILE_BYTES_MAX: number = KEY_BYTES_MAX + 64;
const TAG_FILE_BYTES_MAX = 64;

export class LocalUploads implements ObjectUploads {
  readonly #tree: ObjectTree;
  readonly #locks: KeyLocks;

  constructor(tree: ObjectTree, locks: KeyLocks) {
    this.#tree = tree;
    this.#locks = locks;
  }

  async start(key: string, partBytes: number): Promise<Upload> {
    return await this.#tree.attempt('write', async () => {
      const { files, random } = this.#tree.env;
      const id = random.uuid();
      // Whoever is killed before the rename leaves a part, which is removed as such.
      const directory = `${this.#tree.ownDirectory('parts')}/${id}`;
      await files.makeDirectoryExclusive(directory);
      await createSynced(files, `${directory}/data`, new Uint8Array(0));
      await createSynced(files, `${directory}/upload.json`, utf8(canonicalJson({ key })));
      await files.syncDirectory(directory);
      await files.rename(directory, this.#directory(id));
      await files.syncDirectory(this.#tree.ownDirectory('uploads'));
      return { key, id, partBytes };
    });
  }

  async putPart(upload: Upload, number: number, bytes: Bytes): Promise<UploadedPart> {
    return await this.#inUpload(upload, async (directory) => {
      const { files, random } = this.#tree.env;
      const mark = `${directory}/${number}`;
      // An earlier mark must not vouch for bytes that are being replaced.
      await files.removeTree(mark);
      await files.syncDirectory(directory);
      const offset = (number - 1) * upload.partBytes;
      await this.#change(`${directory}/data`, async (file) => await file.write(bytes, offset));
      const etag = random.uuid();
      await createSynced(files, mark, utf8(etag));
      await files.syncDirectory(directory);
      return { number, etag, sizeBytes: bytes.byteLength };
    });
  }

  async complete(upload: Upload, parts: readonly UploadedPart[]): Promise<void> {
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
    await this.#inUpload(upload, async (directory) => {
      const { files } = this.#tree.env;
      for (const { number, etag } of parts) {
        const mark = await files.readFile(`${directory}/${number}`, TAG_FILE_BYTES_MAX);
        if (fromUtf8(mark) !== etag) throw missingUpload(upload.key);
      }
      await this.#change(`${directory}/data`, async (file) => await file.truncate(sizeBytes));
      await this.#locks.hold(
        upload.key,
        async () => await this.#tree.rename(`${directory}/data`, upload.key),
      );
      await this.#drop(upload.id);
    });
  }

  async abort({ id }: Pick<Upload, 'id'>): Promise<void> {
    if (!isUuid(id)) return;
    await this.#tree.attempt('write', async () => await this.#drop(id));
  }

  async list({ prefix }: { readonly prefix: string }): Promise<UnfinishedPage> {
    return await this.#tree.attempt('read', async () => {
      const { files } = this.#tree.env;
      const names = await this.#tree.ifThere(
        async () => await files.list(this.#tree.ownDirectory('uploads')),
      );
      const uploads: UnfinishedUpload[] = [];
      for (const id of (names ?? []).filter(isUuid)) {
        const upload = await this.#tree.ifThere(async () => await this.#describe(id));
        if (upload?.key.startsWith(prefix) !== true) continue;
        if (uploads.length === LIST_PAGE_MAX) return { uploads, isMore: true };
        uploads.push(upload);
      }
      return { uploads, isMore: false };
    });
  }

  /** @throws SystemError `ENOENT` while it is being made or removed. */
  async #describe(id: string): Promise<UnfinishedUpload> {
    const { files } = this.#tree.env;
    const path = `${this.#directory(id)}/upload.json`;
    const { key } = uploadSchema.parse(
      JSON.parse(fromUtf8(await files.readFile(path, UPLOAD_FILE_BYTES_MAX))),
    );
    return { key, id, startedMs: (await files.stat(path)).modifiedMs };
  }

  /** What does not exist in an upload means that it is over. */
  async #inUpload<T>(upload: Upload, work: (directory: string) => Promise<T>): Promise<T> {
    if (!isUuid(upload.id)) throw missingUpload(upload.key);
    return await this.#tree.attempt('write', async () => {
      try {
        const directory = this.#directory(upload.id);
        const started = await this.#describe(upload.id);
        if (started.key !== upload.key) throw missingUpload(upload.key);
        return await work(directory);
      } catch (error) {
        throw isSystemError(error, 'ENOENT') ? missingUpload(upload.key, error) : error;
      }
    });
  }

  /** Makes a part of it first, so that one that is removed half-way is neither listed nor forgotten. */
  async #drop(id: string): Promise<void> {
    const { files, random } = this.#tree.env;
    const part = `${this.#tree.ownDirectory('parts')}/${random.uuid()}`;
    try {
      await files.rename(this.#directory(id), part);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      return;
    }
    await files.removeTree(part);
  }

  /** Changes the contents of a file, durably. */
  async #change(path: string, change: (file: FileHandle) => Promise<void>): Promise<void> {
    const file = await this.#tree.env.files.open(path, 'r+');
    try {
      await change(file);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  #directory(id: string): string {
    return `${this.#tree.ownDirectory('uploads')}/${id}`;
  }
}
