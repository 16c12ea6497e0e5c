import { fromUtf8Lossy, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import {
  FrameTableReader,
  fixedTableBytes,
  packsOf,
  writeFixedTable,
  writeFrameColumns,
} from './frame-table.ts';
import { FRAMES_MAX, FRAME_TABLE_BYTES_MAX, PACKS_MAX } from './limits.ts';
import type { FrameInfo } from './store-map.ts';
import { VarintReader, VarintWriter } from './varints.ts';

const MAGIC = 'KLFT';
const VERSION = 1;
const HEADER_BYTES = 16;
/** The columns have at least one byte for each frame. */
const FRAME_COLUMNS = 5;

/**
 * The table of a long stream; `docs/FORMAT.md` has the layout. It has no digest: it is a stream itself, which has one.
 * @throws KelpieError `limit_exceeded` when the stream is too long.
 */
export function encodeFrameTable(frames: readonly FrameInfo[]): Bytes {
  const packs = packsOf(frames);
  const writer = new VarintWriter();
  writeFrameColumns(frames, writer);
  const columns = writer.finish();
  const columnsOffset = HEADER_BYTES + fixedTableBytes(packs.length, frames.length);
  const sizeBytes = columnsOffset + columns.byteLength;
  if (sizeBytes > FRAME_TABLE_BYTES_MAX)
    throw new KelpieError('limit_exceeded', 'a file of the image is too long to be published.');
  const bytes = new Uint8Array(sizeBytes);
  bytes.set(utf8(MAGIC), 0);
  const view = viewOf(bytes);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, packs.length, true);
  view.setUint32(12, frames.length, true);
  writeFixedTable(frames, bytes, HEADER_BYTES);
  bytes.set(columns, columnsOffset);
  return bytes;
}

/** The reverse, of bytes that are not trusted. @throws KelpieError `package_corrupt`, `package_too_new`. */
export function decodeFrameTable(bytes: Bytes): readonly FrameInfo[] {
  check(bytes.byteLength >= HEADER_BYTES, 'it is too short');
  check(fromUtf8Lossy(bytes.subarray(0, 4)) === MAGIC, 'it does not begin with its magic');
  const view = viewOf(bytes);
  const version = view.getUint32(4, true);
  if (version > VERSION) {
    const message = `a table of the package is of format ${version}; this Kelpie reads up to ${VERSION}: update it.`;
    throw new KelpieError('package_too_new', message);
  }
  check(version === VERSION, 'its version does not exist');
  const packCount = view.getUint32(8, true);
  const frameCount = view.getUint32(12, true);
  check(packCount <= PACKS_MAX && frameCount <= FRAMES_MAX, 'it is out of bounds');
  check(bytes.byteLength <= FRAME_TABLE_BYTES_MAX, 'it is too long');
  const columnsOffset = HEADER_BYTES + fixedTableBytes(packCount, frameCount);
  // So that nothing is allocated that is larger than a few times the bytes that are there.
  check(
    bytes.byteLength >= columnsOffset + packCount + frameCount * FRAME_COLUMNS,
    'it is shorter than it says',
  );
  const reader = new VarintReader(bytes.subarray(columnsOffset), damaged);
  const table = new FrameTableReader(bytes.subarray(HEADER_BYTES, columnsOffset), damaged);
  const frames = table.read(packCount, frameCount, reader);
  check(reader.isAtEnd, 'it goes on after its end');
  return frames;
}

function damaged(what: string): KelpieError {
  return new KelpieError('package_corrupt', `a table of the package cannot be used: ${what}.`);
}

function check(holds: boolean, what: string): void {
  if (!holds) throw damaged(what);
}
