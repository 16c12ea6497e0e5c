/**
 * Objects in a bucket of any service that speaks S3. Conditional writes are `If-None-Match: *` and `If-Match`; a service that
 * ignores them must be found by `checkStore`, since it looks like success. A lost answer, 5xx and 409 of a write leave an unknown outcome.
 */
import { fromHex } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { checkGet, checkList, checkPut, checkRecord, tooLarge } from '../check-arguments.ts';
import { DOCUMENT_BYTES_MAX, ERROR_BYTES_MAX, OBJECT_BODY_BYTES_MAX } from '../limits.ts';
import { isObjectKey, requireKey } from '../object-key.ts';
import { changedObject } from '../told-troubles.ts';
import { WithUploads } from '../with-uploads.ts';
import type {
  ActOptions,
  ETag,
  GetOptions,
  ListOptions,
  ListPage,
  ListedObject,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutOutcome,
  StoredObject,
} from '../object-store.ts';
import {
  WRITE_ID_HEADER,
  contentRange,
  etagOf,
  keptSha256,
  objectInfo,
  parseListing,
  wrongAnswer,
} from './answers.ts';
import type { CredentialSource } from './credentials.ts';
import { explainRefusal } from './explain-refusal.ts';
import { S3Client } from './s3-client.ts';
import type { S3Answer, S3Env } from './s3-client.ts';
import { encryptionHeaders, objectType } from './object-headers.ts';
import type { S3Settings } from './s3-settings.ts';
import { S3Uploads } from './s3-uploads.ts';

/** Pages with nothing but other people's objects, after which a listing gives up. */
const FOREIGN_PAGES_MAX = 1000;

export class S3Objects extends WithUploads implements ObjectStore {
  readonly url: string;
  readonly #env: S3Env;
  readonly #settings: S3Settings;
  readonly #client: S3Client;
  /** A bare 404 may mean the bucket; once the bucket has answered, it means the object. */
  #isBucketSeen = false;

  constructor(env: S3Env, settings: S3Settings, credentials: CredentialSource) {
    const client = new S3Client(env, settings, credentials);
    super(new S3Uploads(client, settings));
    this.url = settings.url;
    this.#env = env;
    this.#settings = settings;
    this.#client = client;
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | null> {
    checkGet(key, options);
    const { range, etag, into, signal } = options;
    const answer = await this.#client.send({
      method: 'GET',
      key: this.#name(key),
      headers: {
        ...(range === undefined ? {} : { range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
        ...(etag === undefined ? {} : { 'if-match': this.#quoted(etag) }),
        ...(this.#settings.hasChecksums ? { 'x-amz-checksum-mode': 'ENABLED' } : {}),
      },
      isWrite: false,
      accepts: [404, 412, 416],
      answerBytesMax: range?.length ?? OBJECT_BODY_BYTES_MAX,
      into,
      signal,
    });
    if (this.#isAbsent(answer)) return null;
    if (answer.status === 412) throw changedObject(key);
    if (answer.status === 416) return await this.#emptyRange(key, options);
    return range === undefined ? this.#whole(key, answer) : this.#part(answer, range);
  }

  #whole(key: string, { status, headers, body }: S3Answer): StoredObject {
    const info = objectInfo(headers, headers['content-length'] ?? String(body.byteLength), this.url);
    if (info.sizeBytes > OBJECT_BODY_BYTES_MAX) throw tooLarge(key, info.sizeBytes, OBJECT_BODY_BYTES_MAX);
    if (status !== 200 || info.sizeBytes !== body.byteLength)
      throw wrongAnswer(this.url, 'another length than it said');
    const sha256 = keptSha256(headers);
    return { ...info, bytes: body, ...(sha256 === null ? {} : { sha256 }) };
  }

  #part(
    { status, headers, body }: S3Answer,
    range: { readonly offset: number; readonly length: number },
  ): StoredObject {
    if (status !== 206) throw wrongAnswer(this.url, 'more than the range that was asked for');
    const { offset, sizeText } = contentRange(headers, this.url);
    const info = objectInfo(headers, sizeText, this.url);
    const length = Math.min(range.length, info.sizeBytes - range.offset);
    if (offset !== range.offset || body.byteLength !== length)
      throw wrongAnswer(this.url, 'another range than was asked for');
    return { ...info, bytes: body };
  }

  /** A range beyond the end, of which the answer says nothing else. */
  async #emptyRange(key: string, { etag, signal }: GetOptions): Promise<StoredObject | null> {
    const info = await this.head(key, signal === undefined ? {} : { signal });
    if (info === null) return null;
    if (etag !== undefined && info.etag !== etag) throw changedObject(key);
    return { ...info, bytes: new Uint8Array(0) };
  }

  async head(key: string, { signal }: ActOptions = {}): Promise<ObjectInfo | null> {
    requireKey(key);
    const { status, headers } = await this.#client.send({
      method: 'HEAD',
      key: this.#name(key),
      isWrite: false,
      // Refusals of HEAD have no document that says why.
      accepts: [301, 307, 400, 401, 403, 404],
      answerBytesMax: 0,
      signal,
    });
    if (status < 300) {
      this.#isBucketSeen = true;
      return objectInfo(headers, headers['content-length'], this.url);
    }
    if (status === 404 && this.#isBucketSeen) return null;
    await this.#client.send({
      method: 'GET',
      key: '',
      query: { 'list-type': '2', 'max-keys': '1', prefix: this.#settings.prefix },
      isWrite: false,
      answerBytesMax: DOCUMENT_BYTES_MAX,
      signal,
    });
    this.#isBucketSeen = true;
    if (status === 404) return null;
    throw explainRefusal(
      { status, code: '', region: null, date: '' },
      { settings: this.#settings, isWrite: false },
    );
  }

  async put(key: string, bytes: Bytes, options: ActOptions = {}): Promise<ETag> {
    checkPut(key, bytes.byteLength);
    const answer = await this.#put(key, bytes, {}, options);
    return etagOf(answer.headers, this.url);
  }

  async putIfAbsent(key: string, bytes: Bytes, options: PutOptions = {}): Promise<PutOutcome> {
    checkPut(key, bytes.byteLength);
    return this.#outcome(await this.#put(key, bytes, { 'if-none-match': '*' }, options));
  }

  async putIfMatch(key: string, etag: ETag, bytes: Bytes, options: PutOptions = {}): Promise<PutOutcome> {
    checkRecord(key, bytes.byteLength);
    return this.#outcome(await this.#put(key, bytes, { 'if-match': this.#quoted(etag) }, options));
  }

  async #put(
    key: string,
    bytes: Bytes,
    condition: Readonly<Record<string, string>>,
    { signal, writeId }: PutOptions,
  ): Promise<S3Answer> {
    const bodySha256 = this.#env.compute.sha256(bytes);
    return await this.#client.send({
      method: 'PUT',
      key: this.#name(key),
      headers: {
        ...objectType,
        ...encryptionHeaders(this.#settings.encryption),
        ...(this.#settings.hasChecksums ? { 'x-amz-checksum-sha256': base64(fromHex(bodySha256)) } : {}),
        ...(writeId === undefined ? {} : { [WRITE_ID_HEADER]: writeId }),
        ...condition,
      },
      body: bytes,
      bodySha256,
      isWrite: true,
      accepts: Object.keys(condition).length === 0 ? [] : [404, 412],
      answerBytesMax: ERROR_BYTES_MAX,
      signal,
    });
  }

  /** `If-Match` on what does not exist is refused by 404 or by 412. */
  #outcome(answer: S3Answer): PutOutcome {
    if (answer.status === 412 || this.#isAbsent(answer)) return { result: 'refused' };
    return { result: 'written', etag: etagOf(answer.headers, this.url) };
  }

  async delete(key: string, { signal }: ActOptions = {}): Promise<void> {
    requireKey(key);
    const answer = await this.#client.send({
      method: 'DELETE',
      key: this.#name(key),
      isWrite: true,
      accepts: [404],
      answerBytesMax: ERROR_BYTES_MAX,
      signal,
    });
    this.#isAbsent(answer);
  }

  async list(options: ListOptions): Promise<ListPage> {
    const limit = checkList(options);
    let after = options.after === undefined ? '' : this.#name(options.after);
    for (let pages = 0; pages < FOREIGN_PAGES_MAX; pages += 1) {
      const { body } = await this.#client.send({
        method: 'GET',
        key: '',
        query: {
          'list-type': '2',
          'encoding-type': 'url',
          'max-keys': String(limit),
          prefix: this.#name(options.prefix),
          ...(after === '' ? {} : { 'start-after': after }),
        },
        isWrite: false,
        answerBytesMax: DOCUMENT_BYTES_MAX,
        signal: options.signal,
      });
      const { entries, isTruncated } = parseListing(body, this.url);
      const objects: ListedObject[] = [];
      for (const { name, ...facts } of entries) {
        if (!name.startsWith(this.#name(options.prefix)))
          throw wrongAnswer(this.url, 'a listing of other keys than were asked for');
        const key = name.slice(this.#settings.prefix.length);
        // Other people's objects may lie beside ours.
        if (!isObjectKey(key)) continue;
        if (key <= (objects.at(-1)?.key ?? options.after ?? ''))
          throw wrongAnswer(this.url, 'a listing that is not in order');
        objects.push({ key, ...facts });
      }
      if (!isTruncated) return { objects, next: null };
      const last = objects.at(-1);
      if (last !== undefined) return { objects, next: last.key };
      const lastName = entries.at(-1)?.name;
      if (lastName === undefined || lastName === after)
        throw wrongAnswer(this.url, 'a page that leads nowhere');
      after = lastName;
    }
    throw wrongAnswer(this.url, 'nothing but objects that are not ours');
  }

  /** True for a 404 that is about the object. @throws StoreTrouble for one about the bucket, or about nothing known. */
  #isAbsent({ status, refusal }: S3Answer): boolean {
    if (status !== 404) return false;
    this.#isBucketSeen ||= refusal?.code === 'NoSuchKey';
    if (refusal?.code === 'NoSuchKey') return true;
    throw explainRefusal(
      { status, region: null, date: '', ...refusal, code: refusal?.code ?? '' },
      { settings: this.#settings, isWrite: false },
    );
  }

  #name(key: string): string {
    return `${this.#settings.prefix}${key}`;
  }

  #quoted(etag: ETag): string {
    return this.#settings.hasQuotedEtags ? `"${etag}"` : etag;
  }
}

function base64(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes));
}
