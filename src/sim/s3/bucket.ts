/** One bucket and what S3's acts do to it: strongly consistent, with conditional writes, pages of listings and uploads in parts. */
import { concat, fromHex, fromUtf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { MIB } from '../../base/units.ts';
import { httpTime, isoTime } from './times.ts';
import { noBody, refusal, xmlAnswer } from './wire.ts';
import type { Answer, ReceivedRequest } from './wire.ts';

/** What it needs of its world. */
export interface BucketParts {
  readonly sha256: (bytes: Bytes) => string;
  readonly wallMs: () => number;
  /** Never the same twice. */
  readonly newId: () => string;
}

export interface Kept {
  readonly body: Bytes;
  readonly etag: string;
  readonly modifiedMs: number;
  /** In Base64, when its writer gave it. */
  readonly sha256: string | undefined;
  readonly writeId: string | undefined;
}

interface Upload {
  readonly key: string;
  readonly startedMs: number;
  readonly parts: Map<number, Kept>;
}

const PART_BYTES_MIN: number = 5 * MIB;
const LIST_PAGE_MAX = 1000;
/** Of an ETag, as many as an MD5 has. */
const TAG_DIGITS = 32;

export class Bucket {
  readonly objects: Map<string, Kept> = new Map();
  readonly uploads: Map<string, Upload> = new Map();
  /** How often objects have changed. */
  changes = 0;
  /** Takes conditional writes for plain ones, as some services do. */
  ignoresConditions = false;
  /** `If-Match` must be quoted. */
  wantsQuotes = false;
  readonly #parts: BucketParts;
  /** The keys before the last change, for stale listings. */
  #before: readonly string[] = [];

  constructor(parts: BucketParts) {
    this.#parts = parts;
  }

  answer(request: ReceivedRequest, key: string, query: URLSearchParams, isStale = false): Answer {
    if (key === '') return query.has('uploads') ? this.#listUploads(query) : this.#list(query, isStale);
    const uploadId = query.get('uploadId');
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return this.#get(request, key);
      case 'PUT':
        return uploadId === null ? this.#put(request, key) : this.#putPart(request, key, query);
      case 'POST':
        return uploadId === null ? this.#start(key) : this.#complete(request, key, uploadId);
      case 'DELETE':
        return uploadId === null ? this.#delete(key) : this.#abort(uploadId);
      default:
        return refusal(405, 'MethodNotAllowed');
    }
  }

  #get({ headers }: ReceivedRequest, key: string): Answer {
    const kept = this.objects.get(key);
    if (kept === undefined) return refusal(404, 'NoSuchKey');
    if (headers['if-match'] !== undefined && !this.#matches(headers['if-match'], kept))
      return refusal(412, 'PreconditionFailed');
    const facts = {
      etag: `"${kept.etag}"`,
      'last-modified': httpTime(kept.modifiedMs),
      ...(kept.writeId === undefined ? {} : { 'x-amz-meta-kelpie-write': kept.writeId }),
    };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '') ?? [];
    if (from === undefined || to === undefined) {
      const digest = kept.sha256 === undefined ? {} : { 'x-amz-checksum-sha256': kept.sha256 };
      return { status: 200, headers: { ...facts, ...digest }, body: kept.body };
    }
    const size = kept.body.byteLength;
    if (Number(from) >= size) return refusal(416, 'InvalidRange');
    const end = Math.min(Number(to) + 1, size);
    return {
      status: 206,
      headers: { ...facts, 'content-range': `bytes ${from}-${end - 1}/${size}` },
      body: kept.body.subarray(Number(from), end),
    };
  }

  #put({ headers, body }: ReceivedRequest, key: string): Answer {
    const kept = this.objects.get(key);
    if (!this.ignoresConditions) {
      if (headers['if-none-match'] === '*' && kept !== undefined) return refusal(412, 'PreconditionFailed');
      const etag = headers['if-match'];
      if (etag !== undefined && kept === undefined) return refusal(404, 'NoSuchKey');
      if (etag !== undefined && kept !== undefined && !this.#matches(etag, kept))
        return refusal(412, 'PreconditionFailed');
    }
    const sha256 = headers['x-amz-checksum-sha256'];
    if (sha256 !== undefined && sha256 !== this.#base64Digest(body)) return refusal(400, 'BadDigest');
    const writeId = headers['x-amz-meta-kelpie-write'];
    return this.#keep(key, { body, etag: this.#tag(body), sha256, writeId });
  }

  #keep(key: string, kept: Omit<Kept, 'modifiedMs'>): Answer {
    this.#before = [...this.objects.keys()];
    this.changes += 1;
    this.objects.set(key, { ...kept, modifiedMs: this.#parts.wallMs() });
    return { status: 200, headers: { etag: `"${kept.etag}"` }, body: noBody };
  }

  #delete(key: string): Answer {
    this.#before = [...this.objects.keys()];
    this.changes += 1;
    this.objects.delete(key);
    return { status: 204, headers: {}, body: noBody };
  }

  #list(query: URLSearchParams, isStale: boolean): Answer {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('start-after') ?? '';
    const limit = Number(query.get('max-keys') ?? LIST_PAGE_MAX);
    const keys = (isStale ? this.#before : [...this.objects.keys()])
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted();
    const contents = keys.slice(0, limit).map((key) => {
      const kept = this.objects.get(key);
      const facts = [
        `<LastModified>${isoTime(kept?.modifiedMs ?? this.#parts.wallMs())}</LastModified>`,
        `<ETag>&quot;${kept?.etag ?? 'gone'}&quot;</ETag>`,
        `<Size>${kept?.body.byteLength ?? 0}</Size>`,
      ];
      return `<Contents><Key>${encodeURIComponent(key)}</Key>${facts.join('')}<StorageClass>STANDARD</StorageClass></Contents>`;
    });
    const facts = `<EncodingType>url</EncodingType><IsTruncated>${keys.length > limit}</IsTruncated>`;
    return xmlAnswer(
      `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${facts}${contents.join('')}</ListBucketResult>`,
    );
  }

  #listUploads(query: URLSearchParams): Answer {
    const uploads = [...this.uploads]
      .filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''))
      .map(([id, { key, startedMs }]) => {
        const facts = `<Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${isoTime(startedMs)}</Initiated>`;
        return `<Upload>${facts}</Upload>`;
      });
    return xmlAnswer(
      `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${uploads.join('')}</ListMultipartUploadsResult>`,
    );
  }

  #start(key: string): Answer {
    const id = this.#parts.newId();
    this.uploads.set(id, { key, startedMs: this.#parts.wallMs(), parts: new Map() });
    return xmlAnswer(
      `<InitiateMultipartUploadResult><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  #putPart({ body }: ReceivedRequest, key: string, query: URLSearchParams): Answer {
    const upload = this.uploads.get(query.get('uploadId') ?? '');
    if (upload?.key !== key) return refusal(404, 'NoSuchUpload');
    const etag = this.#tag(body);
    const kept = { body, etag, modifiedMs: this.#parts.wallMs(), sha256: undefined, writeId: undefined };
    upload.parts.set(Number(query.get('partNumber')), kept);
    return { status: 200, headers: { etag: `"${etag}"` }, body: noBody };
  }

  #complete({ body }: ReceivedRequest, key: string, id: string): Answer {
    const upload = this.uploads.get(id);
    if (upload?.key !== key) return refusal(404, 'NoSuchUpload');
    const asked = [...fromUtf8(body).matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"?([^"<]+)"?<\/ETag>/g)];
    const parts: Bytes[] = [];
    for (const [index, [, number, etag]] of asked.entries()) {
      const part = upload.parts.get(Number(number));
      if (part === undefined || part.etag !== etag) return refusal(400, 'InvalidPart');
      if (index < asked.length - 1 && part.body.byteLength < PART_BYTES_MIN)
        return refusal(400, 'EntityTooSmall');
      parts.push(part.body);
    }
    this.uploads.delete(id);
    const whole = concat(parts);
    const etag = `${this.#tag(whole)}-${parts.length}`;
    this.#keep(key, { body: whole, etag, sha256: undefined, writeId: undefined });
    return xmlAnswer(
      `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>&quot;${etag}&quot;</ETag></CompleteMultipartUploadResult>`,
    );
  }

  #abort(id: string): Answer {
    if (!this.uploads.delete(id)) return refusal(404, 'NoSuchUpload');
    return { status: 204, headers: {}, body: noBody };
  }

  #matches(etag: string, kept: Kept): boolean {
    return etag === (this.wantsQuotes ? `"${kept.etag}"` : kept.etag);
  }

  /** A function of the bytes alone, as the MD5 is that most services give. */
  #tag(body: Bytes): string {
    return this.#parts.sha256(body).slice(0, TAG_DIGITS);
  }

  #base64Digest(body: Bytes): string {
    return btoa(String.fromCharCode(...fromHex(this.#parts.sha256(body))));
  }
}
