/** What a service's answers say, checked: they are untrusted input. */
import { fromUtf8, hex } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import { LIST_PAGE_MAX, TAG_LENGTH_MAX } from '../limits.ts';
import type { ObjectInfo } from '../object-store.ts';
import { StoreTrouble } from '../store-trouble.ts';
import { parseHttpTime, parseIsoTime } from './civil-time.ts';
import { XmlError, parseXml, textOf } from './xml.ts';
import type { XmlElement } from './xml.ts';

/** Of an object's own metadata. */
export const WRITE_ID_HEADER = 'x-amz-meta-kelpie-write';

type Headers = Readonly<Record<string, string>>;

/** After a write it leaves an unknown outcome. */
export function wrongAnswer(url: string, what: string, cause?: unknown): StoreTrouble {
  const sentence = `${url} gave a wrong answer (${what}): check that its endpoint is an S3 service.`;
  return new StoreTrouble('wrong_answer', sentence, {
    cause,
    data: { storeUrl: url },
    isOutcomeUnknown: true,
  });
}

/** Without its quotes, in which only some services want it back. @throws StoreTrouble `wrong_answer`. */
export function etagOf(headers: Headers, url: string): string {
  const etag = (headers['etag'] ?? '').replace(/^"(.*)"$/, '$1');
  if (etag === '' || etag.length > TAG_LENGTH_MAX || !/^[\x21-\x7e]+$/.test(etag))
    throw wrongAnswer(url, 'no ETag');
  return etag;
}

/** What the headers of a whole object say. */
export function objectInfo(headers: Headers, sizeText: string | undefined, url: string): ObjectInfo {
  const modifiedMs = parseHttpTime(headers['last-modified'] ?? '');
  if (modifiedMs === null) throw wrongAnswer(url, 'no time of change');
  const writeId = headers[WRITE_ID_HEADER];
  const info = { etag: etagOf(headers, url), sizeBytes: sizeOf(sizeText, url), modifiedMs };
  return writeId === undefined ? info : { ...info, writeId };
}

/** `bytes 5-9/10`: where the answer begins, and how long the object is. */
export function contentRange(
  headers: Headers,
  url: string,
): { readonly offset: number; readonly sizeText: string } {
  const [, offset, sizeText] =
    /^bytes (\d{1,16})-\d{1,16}\/(\d{1,16})$/.exec(headers['content-range'] ?? '') ?? [];
  if (offset === undefined || sizeText === undefined) throw wrongAnswer(url, 'a range without its place');
  return { offset: Number(offset), sizeText };
}

/** The digest that a service keeps of a whole object, in hexadecimal; one over the parts' digests (`…-3`) is another thing. */
export function keptSha256(headers: Headers): string | null {
  const text = headers['x-amz-checksum-sha256'] ?? '';
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return null;
  return hex(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
}

/** @throws StoreTrouble `wrong_answer` when it is not a document of that name. */
export function parseDocument(body: Bytes, name: string, url: string): XmlElement {
  let root: XmlElement;
  try {
    root = parseXml(fromUtf8(body));
  } catch (error) {
    if (error instanceof XmlError || error instanceof TypeError) throw wrongAnswer(url, 'no XML', error);
    throw error;
  }
  if (root.name !== name) throw wrongAnswer(url, `no ${name}`);
  return root;
}

export interface RawListing {
  readonly entries: readonly {
    readonly name: string;
    readonly sizeBytes: number;
    readonly modifiedMs: number;
  }[];
  readonly isTruncated: boolean;
}

/** A page of keys, as they are in the bucket. @throws StoreTrouble `wrong_answer`. */
export function parseListing(body: Bytes, url: string): RawListing {
  const root = parseDocument(body, 'ListBucketResult', url);
  const contents = root.children.filter(({ name }) => name === 'Contents');
  if (contents.length > LIST_PAGE_MAX) throw wrongAnswer(url, 'a page that is too long');
  const isEncoded = textOf(root, 'EncodingType') === 'url';
  const entries = contents.map((element) => ({
    name: decodeName(textOf(element, 'Key'), isEncoded, url),
    sizeBytes: sizeOf(textOf(element, 'Size'), url),
    modifiedMs: timeOf(element, 'LastModified', url),
  }));
  return { entries, isTruncated: isTruncated(root) };
}

export interface RawUploads {
  readonly uploads: readonly { readonly name: string; readonly id: string; readonly startedMs: number }[];
  readonly isTruncated: boolean;
}

export function parseUploads(body: Bytes, url: string): RawUploads {
  const root = parseDocument(body, 'ListMultipartUploadsResult', url);
  const elements = root.children.filter(({ name }) => name === 'Upload').slice(0, LIST_PAGE_MAX);
  const isEncoded = textOf(root, 'EncodingType') === 'url';
  const uploads = elements.map((element) => ({
    name: decodeName(textOf(element, 'Key'), isEncoded, url),
    id: uploadIdOf(element, url),
    startedMs: timeOf(element, 'Initiated', url),
  }));
  return { uploads, isTruncated: isTruncated(root) };
}

export function uploadIdOf(element: XmlElement, url: string): string {
  const id = textOf(element, 'UploadId');
  if (id === '' || id.length > TAG_LENGTH_MAX) throw wrongAnswer(url, 'no upload id');
  return id;
}

function isTruncated(root: XmlElement): boolean {
  return textOf(root, 'IsTruncated') === 'true';
}

function timeOf(element: XmlElement, name: string, url: string): number {
  const time = parseIsoTime(textOf(element, name));
  if (time === null) throw wrongAnswer(url, `no time in ${name}`);
  return time;
}

function sizeOf(text: string | undefined, url: string): number {
  const size = /^\d{1,16}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(size)) throw wrongAnswer(url, 'no size');
  return size;
}

function decodeName(text: string, isEncoded: boolean, url: string): string {
  if (!isEncoded) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw wrongAnswer(url, 'a key that is not encoded well', error);
  }
}
