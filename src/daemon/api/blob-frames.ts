/**
 * The frames of an export, from the daemon to its client: u8 kind, u32 little-endian payload length, payload.
 *
 *     0x01 opened  JSON BlobOpened, first, once
 *     0x02 bytes   the next bytes of the blob
 *     0x03 end     u64 length of the blob, last: that was all of it
 *     0x04 error   JSON Problem, last: the rest will not come
 *     0x05 progress  u64: what of `payloadBytes` went in so far
 *
 * What cannot be begun at all is answered as problem details with its HTTP status. A stream that ends without `end` or `error` was cut:
 * whoever wrote down what came must throw it away.
 */
import { ByteReader } from '../../base/byte-reader.ts';
import { fromUtf8, utf8, viewOf } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { KIB } from '../../base/units.ts';
import { fromProblem, readProblem } from './problem.ts';
import type { z } from 'zod';
import type { Bytes } from '../../base/bytes.ts';
import type { BlobOpened } from './blobs.ts';
import type { Problem } from './problem.ts';

export const BLOB_CONTENT_TYPE = 'application/x-kelpie-export';

/** Payload of a frame of JSON; frames of bytes are not held, so theirs need no bound. */
const JSON_BYTES_MAX: number = 64 * KIB;
const HEAD_BYTES = 5;
const COUNT_BYTES = 8;
const kinds = { opened: 0x01, bytes: 0x02, end: 0x03, error: 0x04, progress: 0x05 } as const;

export function* openedFrame(opened: BlobOpened): Generator<Bytes, void> {
  yield* frame('opened', utf8(JSON.stringify(opened)));
}

/** Head and bytes as two chunks: megabytes are not copied for five bytes. */
export function* bytesFrame(bytes: Bytes): Generator<Bytes, void> {
  yield* frame('bytes', bytes);
}

export function* endFrame(sizeBytes: number): Generator<Bytes, void> {
  yield* frame('end', encodeCount(sizeBytes));
}

export function* progressFrame(doneBytes: number): Generator<Bytes, void> {
  yield* frame('progress', encodeCount(doneBytes));
}

export function* errorFrame(problem: Problem): Generator<Bytes, void> {
  yield* frame('error', utf8(JSON.stringify(problem)));
}

function* frame(kind: keyof typeof kinds, payload: Bytes): Generator<Bytes, void> {
  const head = new Uint8Array(HEAD_BYTES);
  head[0] = kinds[kind];
  viewOf(head).setUint32(1, payload.byteLength, true);
  yield head;
  if (payload.byteLength > 0) yield payload;
}

/** What comes of an export. */
export type BlobPart =
  /** The next bytes of the blob, valid until the next part is asked for. */
  | { readonly kind: 'bytes'; readonly bytes: Bytes }
  | { readonly kind: 'progress'; readonly doneBytes: number };

export interface BlobDownload {
  readonly opened: BlobOpened;
  /** Ends after the last byte of the blob, or throws: what the daemon tells, or `daemon_unavailable` when the stream is cut. */
  readonly parts: AsyncIterable<BlobPart>;
}

/** @throws KelpieError `daemon_unavailable` when the body is not of these frames. */
export async function readBlobFrames(
  body: AsyncIterable<Bytes>,
  schema: z.ZodType<BlobOpened>,
): Promise<BlobDownload> {
  const reader = new ByteReader(body, cutShort);
  const { kind, length } = await readHead(reader);
  if (kind !== kinds.opened) throw cutShort();
  const opened = schema.safeParse(await readJson(reader, length));
  if (!opened.success) throw cutShort(opened.error);
  return { opened: opened.data, parts: readParts(reader) };
}

async function* readParts(reader: ByteReader): AsyncGenerator<BlobPart, void> {
  let sizeBytes = 0;
  try {
    for (;;) {
      const { kind, length } = await readHead(reader);
      switch (kind) {
        case kinds.bytes:
          sizeBytes += length;
          for await (const bytes of reader.take(length)) yield { kind: 'bytes', bytes };
          break;
        case kinds.progress:
          yield { kind: 'progress', doneBytes: await readCount(reader, length) };
          break;
        case kinds.error:
          throw await readError(reader, length);
        case kinds.end:
          if ((await readCount(reader, length)) !== sizeBytes) throw cutShort();
          return;
        default:
          throw cutShort();
      }
    }
  } finally {
    await reader.close();
  }
}

async function readError(reader: ByteReader, length: number): Promise<KelpieError> {
  const problem = readProblem(await readJson(reader, length));
  return problem === null ? cutShort() : fromProblem(problem);
}

async function readCount(reader: ByteReader, length: number): Promise<number> {
  if (length !== COUNT_BYTES) throw cutShort();
  const bytes = new Uint8Array(COUNT_BYTES);
  await reader.readInto(bytes);
  return Number(viewOf(bytes).getBigUint64(0, true));
}

function encodeCount(count: number): Bytes {
  const bytes = new Uint8Array(COUNT_BYTES);
  viewOf(bytes).setBigUint64(0, BigInt(count), true);
  return bytes;
}

async function readHead(reader: ByteReader): Promise<{ readonly kind: number; readonly length: number }> {
  const head = new Uint8Array(HEAD_BYTES);
  await reader.readInto(head);
  return { kind: head[0] ?? 0, length: viewOf(head).getUint32(1, true) };
}

async function readJson(reader: ByteReader, length: number): Promise<unknown> {
  if (length > JSON_BYTES_MAX) throw cutShort();
  const bytes = new Uint8Array(length);
  await reader.readInto(bytes);
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return value;
  } catch (error) {
    throw cutShort(error);
  }
}

function cutShort(cause?: unknown): KelpieError {
  return new KelpieError(
    'daemon_unavailable',
    'the export broke off before its end: the daemon ended, or is of another version; try again.',
    { cause },
  );
}
