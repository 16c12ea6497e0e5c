/**
 * Objects in a directory that several processes, also of several machines, share. A write is a synced file that gets its name by
 * `link` (put if absent: the name is the decision) or by `rename`. What replaces or removes a name does so under a lock of the key, since
 * a file system has no "replace if it is still this one"; `putIfAbsent` needs none: it is what packs are put by.
 *
 * The ETag of a record is the digest of its bytes. That of a larger object, which is never compared and swapped, names the file.
 */
import type { Bytes } from '../../../base/bytes.ts';
import type { FileHandle, FileStat } from '../../../env/files.ts';
import { checkGet, checkList, checkPut, checkRecord, tooLarge } from '../check-arguments.ts';
import { OBJECT_BODY_BYTES_MAX, RECORD_BYTES_MAX } from '../limits.ts';
import { requireKey } from '../object-key.ts';
import { WithUploads } from '../with-uploads.ts';
import { changedObject } from '../told-troubles.ts';
import type {
  ActOptions,
  ETag,
  GetOptions,
  ListOptions,
  ListPage,
  ListedObject,
  ObjectInfo,
  ObjectStore,
  PutOutcome,
  StoredObject,
} from '../object-store.ts';
import { KeyLocks } from './key-locks.ts';
import { listKeys } from './list-keys.ts';
import { LocalUploads } from './local-uploads.ts';
import { ObjectTree } from './object-tree.ts';
import type { LocalObjectsEnv } from './object-tree.ts';

export class LocalObjects extends WithUploads implements ObjectStore {
  readonly url: string;
  readonly #tree: ObjectTree;
  readonly #locks: KeyLocks;

  /** @param root an absolute path; the directory must exist and is never made. */
  constructor(env: LocalObjectsEnv, url: string, root: string) {
    const tree = new ObjectTree(env, url, root);
    const locks = new KeyLocks(env, tree.ownDirectory('locks'));
    super(new LocalUploads(tree, locks));
    this.url = url;
    this.#tree = tree;
    this.#locks = locks;
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    checkGet(key, options);
    options.signal?.throwIfAborted();
    return await this.#tree.attempt(
      'read',
      async () =>
        await this.#withFile(key, async (file, stat) => {
          const read = await this.#read(file, stat, key, options);
          // What a reader was shown must not be undone by a power cut; its writer may not have come that far.
          await this.#tree.sync(key);
          return read;
        }),
    );
  }

  async head(key: string, options: ActOptions = {}): Promise<ObjectInfo | null> {
    const range = { offset: 0, length: 1 };
    const object = await this.get(key, { ...options, range });
    return object === null
      ? null
      : { etag: object.etag, sizeBytes: object.sizeBytes, modifiedMs: object.modifiedMs };
  }

  async put(key: string, bytes: Bytes, options: ActOptions = {}): Promise<ETag> {
    checkPut(key, bytes.byteLength);
    options.signal?.throwIfAborted();
    return await this.#tree.attempt(
      'write',
      async () =>
        await this.#tree.withPart(bytes, async (part) => {
          const etag = await this.#etagOfPart(part, bytes);
          await this.#locks.hold(key, async () => await this.#tree.rename(part, key));
          return etag;
        }),
    );
  }

  async putIfAbsent(key: string, bytes: Bytes, options: ActOptions = {}): Promise<PutOutcome> {
    checkPut(key, bytes.byteLength);
    options.signal?.throwIfAborted();
    return await this.#tree.attempt('write', async () => {
      // Most of what is refused is there long before: no need to write it first.
      if ((await this.#statOf(key)) !== null) {
        await this.#tree.sync(key);
        return { result: 'refused' };
      }
      return await this.#tree.withPart(bytes, async (part): Promise<PutOutcome> => {
        const etag = await this.#etagOfPart(part, bytes);
        return (await this.#tree.link(part, key)) ? { result: 'written', etag } : { result: 'refused' };
      });
    });
  }

  async putIfMatch(key: string, etag: ETag, bytes: Bytes, options: ActOptions = {}): Promise<PutOutcome> {
    checkRecord(key, bytes.byteLength);
    options.signal?.throwIfAborted();
    return await this.#tree.attempt(
      'write',
      async () =>
        await this.#tree.withPart(
          bytes,
          async (part) =>
            await this.#locks.hold(key, async (): Promise<PutOutcome> => {
              const current = await this.#withFile(key, async (file, stat) => {
                if (stat.sizeBytes > RECORD_BYTES_MAX) throw tooLarge(key, stat.sizeBytes, RECORD_BYTES_MAX);
                return await this.#read(file, stat, key, {});
              });
              if (current?.etag !== etag) {
                if (current !== null) await this.#tree.sync(key);
                return { result: 'refused' };
              }
              await this.#tree.rename(part, key);
              return { result: 'written', etag: this.#digestTag(bytes) };
            }),
        ),
    );
  }

  async delete(key: string, options: ActOptions = {}): Promise<void> {
    requireKey(key);
    options.signal?.throwIfAborted();
    await this.#tree.attempt(
      'write',
      async () =>
        await this.#locks.hold(key, async () => {
          if ((await this.#statOf(key)) === null) return;
          await this.#tree.env.files.unlink(this.#tree.pathOf(key));
          await this.#tree.sync(key);
        }),
    );
  }

  async list(options: ListOptions): Promise<ListPage> {
    const limit = checkList(options);
    return await this.#tree.attempt('read', async () => {
      const objects: ListedObject[] = [];
      for await (const object of listKeys(this.#tree, options)) {
        if (objects.length === limit) return { objects, next: objects.at(-1)?.key ?? null };
        objects.push(object);
      }
      return { objects, next: null };
    });
  }

  /** Null when there is no such object; a directory is none. */
  async #withFile<T>(key: string, use: (file: FileHandle, stat: FileStat) => Promise<T>): Promise<T | null> {
    const file = await this.#tree.ifThere(
      async () => await this.#tree.env.files.open(this.#tree.pathOf(key), 'r'),
    );
    if (file === null) return null;
    try {
      const stat = await file.stat();
      return stat.kind === 'file' ? await use(file, stat) : null;
    } finally {
      await file.close();
    }
  }

  async #read(file: FileHandle, stat: FileStat, key: string, options: GetOptions): Promise<StoredObject> {
    const { sizeBytes, modifiedMs } = stat;
    const { offset, length } = options.range ?? { offset: 0, length: sizeBytes };
    const readBytes = Math.max(0, Math.min(length, sizeBytes - offset));
    if (readBytes > OBJECT_BODY_BYTES_MAX) throw tooLarge(key, readBytes, OBJECT_BODY_BYTES_MAX);
    const isRecord = sizeBytes <= RECORD_BYTES_MAX;
    const read = isRecord
      ? await readFully(file, key, { offset: 0, length: sizeBytes })
      : await readFully(file, key, { offset, length: readBytes }, options.into);
    const etag = isRecord ? this.#digestTag(read) : fileTag(stat);
    if (options.etag !== undefined && options.etag !== etag) throw changedObject(key);
    const bytes = isRecord ? read.subarray(offset, offset + readBytes) : read;
    return { bytes, etag, sizeBytes, modifiedMs };
  }

  async #statOf(key: string): Promise<FileStat | null> {
    const stat = await this.#tree.ifThere(
      async () => await this.#tree.env.files.stat(this.#tree.pathOf(key)),
    );
    return stat?.kind === 'file' ? stat : null;
  }

  async #etagOfPart(part: string, bytes: Bytes): Promise<ETag> {
    if (bytes.byteLength <= RECORD_BYTES_MAX) return this.#digestTag(bytes);
    return fileTag(await this.#tree.env.files.stat(part));
  }

  #digestTag(bytes: Bytes): ETag {
    return this.#tree.env.compute.sha256(bytes);
  }
}

function fileTag({ inode, sizeBytes, modifiedMs }: FileStat): ETag {
  return `${inode}:${sizeBytes}:${modifiedMs}`;
}

const noBytes: Bytes = new Uint8Array(0);

/** @throws StoreTrouble `changed` when the file is shorter than it was: no object is ever cut. */
async function readFully(
  file: FileHandle,
  key: string,
  range: { readonly offset: number; readonly length: number },
  into: Bytes = noBytes,
): Promise<Bytes> {
  const bytes =
    range.length <= into.byteLength ? into.subarray(0, range.length) : new Uint8Array(range.length);
  let doneBytes = 0;
  while (doneBytes < range.length) {
    const read = await file.read(bytes.subarray(doneBytes), range.offset + doneBytes);
    if (read === 0) throw changedObject(key);
    doneBytes += read;
  }
  return bytes;
}
