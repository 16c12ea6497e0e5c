/**
 * The frames of an export, from the daemon to its client: u8 kind, u32 little-endian payload length, payload.
 *
 *     0x01 opened  JSON BlobOpened, first, once
 *     0x02 bytes   the next bytes of the blob
 *     0x03 end     empty, last: that was all of it
 *     0x04 error   JSON Problem, last: the rest will not come
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
const kinds = { opened: 0x01, bytes: 0x02, end: 0x03, error: 0x04 } as const;

export function* openedFrame(opened: BlobOpened): Generator<Bytes, void> {
  yield* frame('opened', utf8(JSON.stringify(opened)));
}

/** Head and bytes as two chunks: megabytes are not copied for five bytes. */
export function* bytesFrame(bytes: Bytes): Generator<Bytes, void> {
  yield* frame('bytes', bytes);
}

export function* endFrame(): Generator<Bytes, void> {
  yield* frame('end', new Uint8Array(0));
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

export interface BlobDownload {
  readonly opened: BlobOpened;
  /** The blob. It ends after its last byte, or throws: what the daemon tells, or `daemon_unavailable` when the stream is cut. */
  readonly bytes: AsyncIterable<Bytes>;
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
  return { opened: opened.data, bytes: readBytes(reader, opened.data.sizeBytes) };
}

async function* readBytes(reader: ByteReader, sizeBytes: number): AsyncGenerator<Bytes, void> {
  let missing = sizeBytes;
  try {
    for (;;) {
      const { kind, length } = await readHead(reader);
      if (kind === kinds.end && length === 0 && missing === 0) return;
      if (kind === kinds.error) {
        const problem = readProblem(await readJson(reader, length));
        throw problem === null ? cutShort() : fromProblem(problem);
      }
      if (kind !== kinds.bytes || length > missing) throw cutShort();
      missing -= length;
      for (let left = length; left > 0;) {
        const bytes = await reader.next(left);
        if (bytes === null) throw cutShort();
        left -= bytes.byteLength;
        yield bytes;
      }
    }
  } finally {
    await reader.close();
  }
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
