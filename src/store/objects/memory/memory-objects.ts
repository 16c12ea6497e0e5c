/** Objects in this process's memory: the model of the contract, for tests, and for the simulator's own copy of the truth. */
import { concat } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import type { Env } from '../../../env/env.ts';
import {
  checkGet,
  checkList,
  checkPart,
  checkParts,
  checkPut,
  checkRecord,
  checkUpload,
  tooLarge,
} from '../check-arguments.ts';
import { LIST_PAGE_MAX, OBJECT_BODY_BYTES_MAX, RECORD_BYTES_MAX } from '../limits.ts';
import { requireKey, requirePrefix } from '../object-key.ts';
import { missingUpload, changedObject } from '../told-troubles.ts';
import type {
  ActOptions,
  ETag,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  PutOutcome,
  StoredObject,
  UnfinishedPage,
  Upload,
  UploadedPart,
} from '../object-store.ts';

interface Held extends ObjectInfo {
  readonly bytes: Bytes;
}

interface Parts {
  readonly key: string;
  readonly startedMs: number;
  readonly parts: Map<number, Held>;
}

/** Every client of one `MemoryObjects` sees the same objects. */
export class MemoryObjects implements ObjectStore {
  readonly url = 'memory:';
  readonly #env: Pick<Env, 'clock'>;
  readonly #objects = new Map<string, Held>();
  readonly #uploads = new Map<string, Parts>();
  #lastTag = 0;

  constructor(env: Pick<Env, 'clock'>) {
    this.#env = env;
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    checkGet(key, options);
    await begin(options);
    const held = this.#objects.get(key);
    if (held === undefined) return null;
    if (options.etag !== undefined && options.etag !== held.etag) throw changedObject(key);
    const { offset, length } = options.range ?? { offset: 0, length: held.sizeBytes };
    if (length > OBJECT_BODY_BYTES_MAX) throw tooLarge(key, length, OBJECT_BODY_BYTES_MAX);
    return { ...held, bytes: held.bytes.slice(offset, offset + length) };
  }

  async head(key: string, options: ActOptions = {}): Promise<ObjectInfo | null> {
    requireKey(key);
    await begin(options);
    const held = this.#objects.get(key);
    return held === undefined ? null : infoOf(held);
  }

  async put(key: string, bytes: Bytes, options: ActOptions = {}): Promise<ETag> {
    checkPut(key, bytes.byteLength);
    await begin(options);
    return this.#hold(key, bytes.slice());
  }

  async putIfAbsent(key: string, bytes: Bytes, options: ActOptions = {}): Promise<PutOutcome> {
    checkPut(key, bytes.byteLength);
    await begin(options);
    if (this.#objects.has(key)) return { result: 'refused' };
    return { result: 'written', etag: this.#hold(key, bytes.slice()) };
  }

  async putIfMatch(key: string, etag: ETag, bytes: Bytes, options: ActOptions = {}): Promise<PutOutcome> {
    checkRecord(key, bytes.byteLength);
    await begin(options);
    const held = this.#objects.get(key);
    if (held?.etag !== etag) return { result: 'refused' };
    if (held.sizeBytes > RECORD_BYTES_MAX) throw tooLarge(key, held.sizeBytes, RECORD_BYTES_MAX);
    return { result: 'written', etag: this.#hold(key, bytes.slice()) };
  }

  async delete(key: string, options: ActOptions = {}): Promise<void> {
    requireKey(key);
    await begin(options);
    this.#objects.delete(key);
  }

  async list(options: ListOptions): Promise<ListPage> {
    const limit = checkList(options);
    await begin(options);
    const keys = [...this.#objects.keys()]
      .filter((key) => key.startsWith(options.prefix) && key > (options.after ?? ''))
      .toSorted();
    const objects = keys.slice(0, limit).flatMap((key) => {
      const held = this.#objects.get(key);
      return held === undefined ? [] : [{ key, sizeBytes: held.sizeBytes, modifiedMs: held.modifiedMs }];
    });
    return { objects, next: keys.length > limit ? (objects.at(-1)?.key ?? null) : null };
  }

  async startUpload(key: string, partBytes: number, options: ActOptions = {}): Promise<Upload> {
    checkUpload(key, partBytes);
    await begin(options);
    const id = this.#newTag();
    this.#uploads.set(id, { key, startedMs: this.#env.clock.wallMs(), parts: new Map() });
    return { key, id, partBytes };
  }

  async putPart(
    upload: Upload,
    number: number,
    bytes: Bytes,
    options: ActOptions = {},
  ): Promise<UploadedPart> {
    checkPart(upload, number, bytes.byteLength);
    await begin(options);
    const held = this.#held(bytes.slice());
    this.#partsOf(upload).set(number, held);
    return { number, etag: held.etag, sizeBytes: held.sizeBytes };
  }

  async completeUpload(
    upload: Upload,
    parts: readonly UploadedPart[],
    options: ActOptions = {},
  ): Promise<void> {
    checkParts(upload, parts);
    await begin(options);
    const held = this.#partsOf(upload);
    const bodies = parts.map(({ number, etag }) => {
      const part = held.get(number);
      if (part?.etag !== etag) throw missingUpload(upload.key);
      return part.bytes;
    });
    this.#uploads.delete(upload.id);
    this.#hold(upload.key, concat(bodies));
  }

  async abortUpload(
    { id }: { readonly key: string; readonly id: string },
    options: ActOptions = {},
  ): Promise<void> {
    await begin(options);
    this.#uploads.delete(id);
  }

  async listUploads(options: { readonly prefix: string } & ActOptions): Promise<UnfinishedPage> {
    requirePrefix(options.prefix);
    await begin(options);
    const uploads = [...this.#uploads]
      .filter(([, { key }]) => key.startsWith(options.prefix))
      .map(([id, { key, startedMs }]) => ({ key, id, startedMs }));
    return { uploads: uploads.slice(0, LIST_PAGE_MAX), isMore: uploads.length > LIST_PAGE_MAX };
  }

  #hold(key: string, bytes: Bytes): ETag {
    const held = this.#held(bytes);
    this.#objects.set(key, held);
    return held.etag;
  }

  #held(bytes: Bytes): Held {
    return { bytes, etag: this.#newTag(), sizeBytes: bytes.byteLength, modifiedMs: this.#env.clock.wallMs() };
  }

  #newTag(): string {
    this.#lastTag += 1;
    return String(this.#lastTag);
  }

  #partsOf({ key, id }: Upload): Map<number, Held> {
    const upload = this.#uploads.get(id);
    if (upload?.key !== key) throw missingUpload(key);
    return upload.parts;
  }
}

/** No act settles at once, nor begins when it was canceled before. */
async function begin({ signal }: ActOptions): Promise<void> {
  signal?.throwIfAborted();
  await Promise.resolve();
  signal?.throwIfAborted();
}

function infoOf({ etag, sizeBytes, modifiedMs }: ObjectInfo): ObjectInfo {
  return { etag, sizeBytes, modifiedMs };
}
