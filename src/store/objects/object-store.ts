/**
 * Objects by key: what packages are kept in. `memory/`, `local/` and `s3/` implement it; retries, limits, checks and figures
 * are wrappers around it (`wrappers/`); `docs/STORES.md` is the guide. One suite, `test/support/object-store-suite.ts`,
 * runs over every implementation, and over a real service.
 *
 * What holds for every act:
 *
 * - *Atomic.* A reader sees the object before a write or after it, whole; also when the writer is killed half-way.
 * - *Durable.* What an act that has resolved wrote, and what a reader was shown, survives a power cut of this machine.
 * - *Strongly consistent.* An act that begins after another has resolved sees what that one did, in every process; so do listings.
 * - *Failures.* Throws `StoreTrouble`, which says whether another try can help and whether the act may have been done
 *   all the same (`isOutcomeUnknown`; S3's answer may be lost after the write). `get`, `head` and `list` change nothing. A write that failed
 *   with a known outcome has changed nothing. Also throws `KelpieError` `invalid_argument` for a key that is none,
 *   `limit_exceeded` for a body over its bound, and the signal's reason; a write that was canceled has an unknown outcome.
 * - *No secrets* in `url`, in errors, or in what `inspect` shows of a store.
 * - *Bodies* are bytes in memory, bounded by `OBJECT_BODY_BYTES_MAX`, so that every act can be repeated whole; they must not
 *   change while the act runs. Larger objects are written in parts and read in ranges (`large-objects.ts`).
 * - *Keys* are those of `object-key.ts`. No key may be a directory of another (`a` and `a/b`): a file system cannot hold both. Whoever
 *   names objects sees to it; not every implementation notices.
 */
import type { Bytes } from '../../base/bytes.ts';

/**
 * Names the contents of an object, opaque. The same ETag means the same bytes. Equal bytes written again may get the same
 * ETag (S3's is often their MD5): so compare-and-swap is only safe over contents that never repeat: put a revision into them.
 */
export type ETag = string;

export interface ActOptions {
  readonly signal?: AbortSignal;
}

export interface GetOptions extends ActOptions {
  /** From `offset`, `length` bytes; absent: all of it. */
  readonly range?: { readonly offset: number; readonly length: number };
  /** Only while the object still has this ETag. @throws StoreTrouble `changed`. */
  readonly etag?: ETag;
  /**
   * A store may read into it what fits, so that who reads much need not allocate for each act; then `bytes` is a part of it. It may have other bytes
   * of the object in it too, also when the act has failed; nothing is written to it any more when that has settled.
   */
  readonly into?: Bytes;
}

export interface ObjectInfo {
  readonly etag: ETag;
  readonly sizeBytes: number;
  /** When it was written, by the store's clock, to the second at least. */
  readonly modifiedMs: number;
  /** That of the put that wrote it, where the store keeps it. */
  readonly writeId?: string;
}

export interface PutOptions extends ActOptions {
  /** Names this act, whatever its tries: kept beside the object where the store can lose an answer. For `settled`. */
  readonly writeId?: string;
}

export interface StoredObject extends ObjectInfo {
  /** All bytes, or those of the range: exactly `length`, fewer only where the object ends, none beyond its end. */
  readonly bytes: Bytes;
  /** Digest of the whole object in hexadecimal, where the store keeps one; for `verified`. */
  readonly sha256?: string;
}

/**
 * How a conditional write ended when that is known.
 *
 * - `written`: the condition held and the object is ours.
 * - `refused`: the condition did not hold; nothing was written.
 * - `overtaken`: the condition does not hold any more, the object has another's contents, and ours may have been there in
 *   between. Only `settled` says so, after an answer was lost. Read the object and decide by what it says.
 */
export type PutOutcome =
  | { readonly result: 'written'; readonly etag: ETag }
  | { readonly result: 'refused' }
  | { readonly result: 'overtaken' };

export interface ListOptions extends ActOptions {
  /** Keys that begin with it; it need not end at a slash. */
  readonly prefix: string;
  /** Keys after this one, which need not exist. */
  readonly after?: string;
  /** 1 to `LIST_PAGE_MAX`, which is the default. */
  readonly limit?: number;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface ListPage {
  /** In the order of their keys' bytes. */
  readonly objects: readonly ListedObject[];
  /** For `after` of the next page; null when this is the last. */
  readonly next: string | null;
}

/** A large object on its way. Its parts are invisible until `completeUpload`. */
export interface Upload {
  readonly key: string;
  readonly id: string;
  /** Size of every part but the last, which is the shorter or equal one. */
  readonly partBytes: number;
}

export interface UploadedPart {
  /** From 1. */
  readonly number: number;
  readonly etag: ETag;
  readonly sizeBytes: number;
}

export interface UnfinishedUpload {
  readonly key: string;
  readonly id: string;
  readonly startedMs: number;
}

export interface UnfinishedPage {
  readonly uploads: readonly UnfinishedUpload[];
  /** True when there are more than one page holds; abort these, and list again. */
  readonly isMore: boolean;
}

export interface ObjectStore {
  /** For people: where this is, without secrets. */
  readonly url: string;

  /** Null when there is no such object. @throws KelpieError `limit_exceeded` when it is larger than `OBJECT_BODY_BYTES_MAX` and no range is given. */
  get(key: string, options?: GetOptions): Promise<StoredObject | null>;
  /** Null when there is no such object. */
  head(key: string, options?: ActOptions): Promise<ObjectInfo | null>;

  /**
   * Makes or replaces the object. Idempotent; but a lost copy of an old request may come late and undo a newer `put`: use it where
   * one writer writes, or all write the same.
   */
  put(key: string, bytes: Bytes, options?: ActOptions): Promise<ETag>;
  /** Makes the object unless one exists. Of writers that race, exactly one gets `written`. */
  putIfAbsent(key: string, bytes: Bytes, options?: PutOptions): Promise<PutOutcome>;
  /**
   * Replaces the object if it still has `etag`. Of writers that race from one ETag, exactly one gets `written`. Both contents at
   * most `RECORD_BYTES_MAX`.
   */
  putIfMatch(key: string, etag: ETag, bytes: Bytes, options?: PutOptions): Promise<PutOutcome>;
  /** No error when there is none. Idempotent; late copies as with `put`: do not use a key again that was deleted. */
  delete(key: string, options?: ActOptions): Promise<void>;

  list(options: ListOptions): Promise<ListPage>;

  /** @param partBytes from `PART_BYTES_MIN` to `OBJECT_BODY_BYTES_MAX`. */
  startUpload(key: string, partBytes: number, options?: ActOptions): Promise<Upload>;
  /** In any order, several at once. A number that is put again replaces the part. */
  putPart(upload: Upload, number: number, bytes: Bytes, options?: ActOptions): Promise<UploadedPart>;
  /**
   * Makes or replaces the object by the parts, numbered 1, 2, 3 … The upload is over then. Unconditional, so it is for objects
   * whose key names their contents. @throws StoreTrouble `upload_missing` when it is over already, or a part is not there.
   */
  completeUpload(upload: Upload, parts: readonly UploadedPart[], options?: ActOptions): Promise<void>;
  /** Drops the parts. No error when the upload is over. */
  abortUpload(upload: { readonly key: string; readonly id: string }, options?: ActOptions): Promise<void>;
  /** Uploads under a prefix that were neither completed nor aborted, of every process; oldest not first. */
  listUploads(options: { readonly prefix: string } & ActOptions): Promise<UnfinishedPage>;
}

/** The acts, for figures and wrappers. */
export type Act = Exclude<keyof ObjectStore, 'url'>;
