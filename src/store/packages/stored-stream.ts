/**
 * Any bytes in the store (a device state, an encoded map, a file of an image), as the frames that they were cut into. In the manifest the frames
 * are listed, or, when there are many, in a table that is a stream itself, once.
 */
import { z } from 'zod';
import { defined } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { FRAME_BYTES_MAX, PACKED_FRAME_BYTES_MAX } from '../../env/compute.ts';
import type { FrameCodec } from '../../env/compute.ts';
import { sha256Schema } from '../../snapshot/metadata-codec.ts';
import { SEGMENT_BYTES_MAX } from '../limits.ts';
import { PACKS_MAX, PACK_BYTES_MAX, PACK_FRAMES_MAX, STREAM_FRAMES_INLINE_MAX } from './limits.ts';
import { PACK_HEADER_BYTES } from './pack-header.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import type { FrameInfo } from './store-map.ts';

interface StreamFacts {
  readonly sizeBytes: number;
  /** Of all raw bytes. */
  readonly sha256: string;
}

/** The raw bytes of all frames, one after the other, are the stream. Frames are in the order of packs and of numbers. */
export interface StoredStream extends StreamFacts {
  readonly frames: readonly FrameInfo[];
}

/** A stream with too many frames to list: `table` is the stream of `encodeFrameTable`. */
export interface TabledStream extends StreamFacts {
  readonly table: StoredStream;
}

export type StreamReference = StoredStream | TabledStream;

/** The frames that a manifest has to name for the stream to be found. */
export function listedFrames(stream: StreamReference): readonly FrameInfo[] {
  return 'table' in stream ? stream.table.frames : stream.frames;
}

/** The raw bytes of frames that follow each other. */
export function rawBytesOf(frames: readonly Pick<FrameInfo, 'rawBytes'>[]): number {
  return frames.reduce((sum, { rawBytes }) => sum + rawBytes, 0);
}

interface FrameJson {
  /** Index in the manifest's packs. */
  readonly pack: number;
  readonly number: number;
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly codec: FrameCodec;
  readonly sha256: string;
}

interface ListedJson extends StreamFacts {
  readonly frames: readonly FrameJson[];
}

/** Has one of the two. */
export interface StreamJson extends StreamFacts {
  readonly frames?: readonly FrameJson[] | undefined;
  readonly table?: ListedJson | undefined;
}

const count = (max: number): z.ZodType<number> => z.int().nonnegative().max(max);
const length = (max: number): z.ZodType<number> => z.int().min(1).max(max);

const frameSchema: z.ZodType<FrameJson> = z.strictObject({
  pack: count(PACKS_MAX - 1),
  number: count(PACK_FRAMES_MAX - 1),
  offset: z.int().min(PACK_HEADER_BYTES).max(PACK_BYTES_MAX),
  storedBytes: length(PACKED_FRAME_BYTES_MAX),
  rawBytes: length(FRAME_BYTES_MAX),
  codec: z.enum(['stored', 'zstd']),
  sha256: sha256Schema,
});
const framesSchema: z.ZodType<readonly FrameJson[]> = z
  .array(frameSchema)
  .max(STREAM_FRAMES_INLINE_MAX)
  .refine(areInOrder, 'frames are out of order, or overlap');
const factsSchema = { sha256: sha256Schema, sizeBytes: count(SEGMENT_BYTES_MAX) };
const wrongLength = 'frames have not the length of their stream';
const listedSchema: z.ZodType<ListedJson> = z
  .strictObject({ ...factsSchema, frames: framesSchema })
  .refine(({ frames, sizeBytes }) => rawBytesOf(frames) === sizeBytes, wrongLength);

/** A stream in a document; `streamOf` checks what needs the document's packs. */
export const streamSchema: z.ZodType<StreamJson> = z
  .strictObject({ ...factsSchema, frames: framesSchema.optional(), table: listedSchema.optional() })
  .refine(
    ({ frames, table }) => (frames === undefined) !== (table === undefined),
    'a stream has frames or a table',
  )
  .refine(({ frames, sizeBytes }) => frames === undefined || rawBytesOf(frames) === sizeBytes, wrongLength);

function areInOrder(frames: readonly FrameJson[]): boolean {
  return frames.every((frame, index) => {
    if (frame.offset + frame.storedBytes > PACK_BYTES_MAX) return false;
    const before = frames[index - 1];
    if (before === undefined || before.pack < frame.pack) return true;
    const follows = before.number < frame.number && before.offset + before.storedBytes <= frame.offset;
    return before.pack === frame.pack && follows;
  });
}

/** @param packs those of the document, which has all that the stream lists. */
export function streamJson(stream: StreamReference, packs: ReadonlyMap<string, number>): StreamJson {
  const { sizeBytes, sha256 } = stream;
  if ('table' in stream) return { sizeBytes, sha256, table: listedJson(stream.table, packs) };
  return listedJson(stream, packs);
}

function listedJson(
  { sizeBytes, sha256, frames }: StoredStream,
  packs: ReadonlyMap<string, number>,
): ListedJson {
  const toJson = ({ pack, ...rest }: FrameInfo): FrameJson => ({
    ...rest,
    pack: defined(packs.get(packText(pack)), 'the pack of a frame in its document'),
  });
  return { sizeBytes, sha256, frames: frames.map(toJson) };
}

/** The reverse, of a document that is not trusted. @throws KelpieError `package_corrupt`. */
export function streamOf(json: StreamJson, packs: readonly PackName[]): StreamReference {
  const { sizeBytes, sha256, frames, table } = json;
  if (table !== undefined) return { sizeBytes, sha256, table: listedOf(table, packs) };
  return listedOf({ sizeBytes, sha256, frames: defined(frames, 'what the schema asks for') }, packs);
}

function listedOf({ sizeBytes, sha256, frames }: ListedJson, packs: readonly PackName[]): StoredStream {
  const toFrame = ({ pack, ...rest }: FrameJson): FrameInfo => {
    const name = packs[pack];
    if (name !== undefined) return { ...rest, pack: name };
    throw new KelpieError(
      'package_corrupt',
      'the package cannot be used: a frame is in a pack that it does not name.',
    );
  };
  return { sizeBytes, sha256, frames: frames.map(toFrame) };
}
