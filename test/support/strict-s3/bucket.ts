/** One bucket and what S3's acts do to it. */
import { createHash, randomUUID } from 'node:crypto';
import { refusal, xmlAnswer } from './request.ts';
import type { Answer, ReceivedRequest } from './request.ts';

interface Kept {
  readonly body: Uint8Array;
  readonly etag: string;
  readonly modified: Date;
  readonly sha256: string | undefined;
  readonly writeId: string | undefined;
}

interface Upload {
  readonly key: string;
  readonly started: Date;
  readonly parts: Map<number, Kept>;
}

const PART_BYTES_MIN = 5 * 1024 * 1024;
const md5 = (data: Uint8Array): string => createHash('md5').update(data).digest('hex');

export class Bucket {
  readonly objects: Map<string, Kept> = new Map();
  readonly uploads: Map<string, Upload> = new Map();
  /** The keys before the last change, for stale listings. */
  #before: readonly string[] = [];
  /** Takes conditional writes for plain ones, as some services do. */
  ignoresConditions = false;
  /** `If-Match` must be quoted. */
  wantsQuotes = false;

  answer(request: ReceivedRequest, key: string, query: URLSearchParams, isStale: boolean): Answer {
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
      'last-modified': kept.modified.toUTCString(),
      ...(kept.sha256 === undefined ? {} : { 'x-amz-checksum-sha256': kept.sha256 }),
      ...(kept.writeId === undefined ? {} : { 'x-amz-meta-kelpie-write': kept.writeId }),
    };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '') ?? [];
    if (from === undefined || to === undefined) return { status: 200, headers: facts, body: kept.body };
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
    if (sha256 !== undefined && sha256 !== createHash('sha256').update(body).digest('base64'))
      return refusal(400, 'BadDigest');
    return this.#keep(key, { body, etag: md5(body), sha256, writeId: headers['x-amz-meta-kelpie-write'] });
  }

  #keep(key: string, kept: Omit<Kept, 'modified'>): Answer {
    this.#before = [...this.objects.keys()];
    this.objects.set(key, { ...kept, modified: new Date() });
    return { status: 200, headers: { etag: `"${kept.etag}"` }, body: '' };
  }

  #delete(key: string): Answer {
    this.#before = [...this.objects.keys()];
    this.objects.delete(key);
    return { status: 204, headers: {}, body: '' };
  }

  #list(query: URLSearchParams, isStale: boolean): Answer {
    const prefix = query.get('prefix') ?? '';
    const after = query.get('start-after') ?? '';
    const limit = Number(query.get('max-keys') ?? 1000);
    const keys = (isStale ? this.#before : [...this.objects.keys()])
      .filter((key) => key.startsWith(prefix) && key > after)
      .toSorted();
    const contents = keys.slice(0, limit).map((key) => {
      const { body, modified, etag } = this.objects.get(key) ?? {
        body: '',
        modified: new Date(),
        etag: 'gone',
      };
      const facts = `<LastModified>${modified.toISOString()}</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${body.length}</Size>`;
      return `<Contents><Key>${encodeURIComponent(key)}</Key>${facts}<StorageClass>STANDARD</StorageClass></Contents>`;
    });
    const facts = `<EncodingType>url</EncodingType><IsTruncated>${keys.length > limit}</IsTruncated>`;
    return xmlAnswer(
      `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${facts}${contents.join('')}</ListBucketResult>`,
    );
  }

  #listUploads(query: URLSearchParams): Answer {
    const uploads = [...this.uploads]
      .filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''))
      .map(([id, { key, started }]) => {
        const facts = `<Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${started.toISOString()}</Initiated>`;
        return `<Upload>${facts}</Upload>`;
      });
    return xmlAnswer(
      `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${uploads.join('')}</ListMultipartUploadsResult>`,
    );
  }

  #start(key: string): Answer {
    const id = randomUUID();
    this.uploads.set(id, { key, started: new Date(), parts: new Map() });
    return xmlAnswer(
      `<InitiateMultipartUploadResult><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  #putPart({ body }: ReceivedRequest, key: string, query: URLSearchParams): Answer {
    const upload = this.uploads.get(query.get('uploadId') ?? '');
    if (upload?.key !== key) return refusal(404, 'NoSuchUpload');
    const kept = { body, etag: md5(body), modified: new Date(), sha256: undefined, writeId: undefined };
    upload.parts.set(Number(query.get('partNumber')), kept);
    return { status: 200, headers: { etag: `"${kept.etag}"` }, body: '' };
  }

  #complete({ body }: ReceivedRequest, key: string, id: string): Answer {
    const upload = this.uploads.get(id);
    if (upload?.key !== key) return refusal(404, 'NoSuchUpload');
    const asked = [
      ...Buffer.from(body)
        .toString()
        .matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"?([^"<]+)"?<\/ETag>/g),
    ];
    const parts: Uint8Array[] = [];
    for (const [index, [, number, etag]] of asked.entries()) {
      const part = upload.parts.get(Number(number));
      if (part === undefined || part.etag !== etag) return refusal(400, 'InvalidPart');
      if (index < asked.length - 1 && part.body.byteLength < PART_BYTES_MIN)
        return refusal(400, 'EntityTooSmall');
      parts.push(part.body);
    }
    this.uploads.delete(id);
    const whole = new Uint8Array(Buffer.concat(parts));
    const etag = `${md5(whole)}-${parts.length}`;
    this.#keep(key, { body: whole, etag, sha256: undefined, writeId: undefined });
    return xmlAnswer(
      `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>&quot;${etag}&quot;</ETag></CompleteMultipartUploadResult>`,
    );
  }

  #abort(id: string): Answer {
    if (!this.uploads.delete(id)) return refusal(404, 'NoSuchUpload');
    return { status: 204, headers: {}, body: '' };
  }

  #matches(etag: string, kept: Kept): boolean {
    return etag === (this.wantsQuotes ? `"${kept.etag}"` : kept.etag);
  }
}
