import { fromHex, fromUtf8Lossy, hex, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { PureCompute } from '../../env/compute.ts';
import { PAGES_MAX } from '../../snapshot/limits.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import {
  FrameTableReader,
  fixedTableBytes,
  packsOf,
  writeFixedTable,
  writeFrameColumns,
} from './frame-table.ts';
import { FRAMES_MAX, PACKS_MAX, STORE_MAP_BYTES_MAX, STORE_MAP_RUNS_MAX } from './limits.ts';
import { StoreMap } from './store-map.ts';
import type { FrameInfo, StoreRunColumns } from './store-map.ts';
import { VarintReader, VarintWriter, unzigzag, zigzag } from './varints.ts';

const MAGIC = 'KLSM';
const VERSION = 1;
const HEADER_BYTES = 24;
const DIGEST_BYTES = 32;
/** The columns of the frame table and of the runs have at least one byte in each entry. */
const FRAME_COLUMNS = 5;
const RUN_COLUMNS = 4;

/** The bytes of a map; `docs/FORMAT.md` has the layout. @throws KelpieError `limit_exceeded` when the memory is too scattered. */
export function encodeStoreMap(map: StoreMap, compute: Pick<PureCompute, 'sha256'>): Bytes {
  const packs = packsOf(map.frames);
  const fixed = fixedTableBytes(packs.length, map.frames.length);
  const writer = new VarintWriter();
  writeFrameColumns(map.frames, writer);
  writeRuns(map, writer);
  const columns = writer.finish();
  const digestOffset = HEADER_BYTES + fixed + columns.byteLength;
  if (map.runCount > STORE_MAP_RUNS_MAX || digestOffset + DIGEST_BYTES > STORE_MAP_BYTES_MAX) {
    const message =
      'the memory is scattered over too many pieces: restart the VM from its disk, then publish it.';
    throw new KelpieError('limit_exceeded', message);
  }
  const bytes = new Uint8Array(digestOffset + DIGEST_BYTES);
  const view = viewOf(bytes);
  bytes.set(utf8(MAGIC), 0);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, map.pageCount, true);
  view.setUint32(12, packs.length, true);
  view.setUint32(16, map.frames.length, true);
  view.setUint32(20, map.runCount, true);
  writeFixedTable(map.frames, bytes, HEADER_BYTES);
  bytes.set(columns, HEADER_BYTES + fixed);
  bytes.set(fromHex(compute.sha256(bytes.subarray(0, digestOffset))), digestOffset);
  return bytes;
}

function writeRuns(map: StoreMap, writer: VarintWriter): void {
  const { first, count, frame, framePage } = map.columns;
  for (let index = 0, endPage = 0; index < map.runCount; index += 1) {
    writer.write(at(first, index) - endPage);
    endPage = at(first, index) + at(count, index);
  }
  for (const pages of count) writer.write(pages - 1);
  for (let index = 0, before = 0; index < map.runCount; index += 1) {
    writer.write(zigzag(at(frame, index) - before));
    before = at(frame, index);
  }
  for (let index = 0, end = 0; index < map.runCount; index += 1) {
    const expected = index > 0 && frame[index] === frame[index - 1] ? end : 0;
    writer.write(zigzag(at(framePage, index) - expected));
    end = at(framePage, index) + at(count, index);
  }
}

/** The map in bytes that are not trusted. @throws KelpieError `package_corrupt`, or `package_too_new` for a format of a later version. */
export function decodeStoreMap(bytes: Bytes, compute: Pick<PureCompute, 'sha256'>): StoreMap {
  const { pageCount, packCount, frameCount, runCount } = decodeHeader(bytes);
  const digestOffset = bytes.byteLength - DIGEST_BYTES;
  const digest = compute.sha256(bytes.subarray(0, digestOffset));
  check(hex(bytes.subarray(digestOffset)) === digest, 'its digest is wrong');
  const columnsOffset = HEADER_BYTES + fixedTableBytes(packCount, frameCount);
  const reader = new VarintReader(bytes.subarray(columnsOffset, digestOffset), damaged);
  const table = new FrameTableReader(bytes.subarray(HEADER_BYTES, columnsOffset), damaged);
  const frames = table.read(packCount, frameCount, reader);
  check(
    frames.every(({ rawBytes }) => rawBytes % PAGE_BYTES === 0),
    'a frame is not of whole pages',
  );
  const columns = readRuns(reader, runCount);
  check(reader.isAtEnd, 'it goes on after its end');
  checkRuns(columns, pageCount, frames);
  return new StoreMap(pageCount, frames, columns);
}

function decodeHeader(bytes: Bytes): {
  pageCount: number;
  packCount: number;
  frameCount: number;
  runCount: number;
} {
  check(bytes.byteLength >= HEADER_BYTES + DIGEST_BYTES, 'it is too short');
  check(fromUtf8Lossy(bytes.subarray(0, 4)) === MAGIC, 'it does not begin with its magic');
  const view = viewOf(bytes);
  const version = view.getUint32(4, true);
  if (version > VERSION) {
    const message = `a map of the package is of format ${version}; this Kelpie reads up to ${VERSION}: update it.`;
    throw new KelpieError('package_too_new', message);
  }
  check(version === VERSION, 'its version does not exist');
  const pageCount = view.getUint32(8, true);
  const packCount = view.getUint32(12, true);
  const frameCount = view.getUint32(16, true);
  const runCount = view.getUint32(20, true);
  check(pageCount >= 1 && pageCount <= PAGES_MAX, 'its size is out of bounds');
  check(packCount <= PACKS_MAX && frameCount <= FRAMES_MAX, 'its tables are out of bounds');
  check(runCount <= STORE_MAP_RUNS_MAX && bytes.byteLength <= STORE_MAP_BYTES_MAX, 'it is too long');
  // So that nothing is allocated that is larger than a few times the bytes that are there.
  const columnBytesMin = packCount + frameCount * FRAME_COLUMNS + runCount * RUN_COLUMNS;
  const sizeBytesMin = HEADER_BYTES + fixedTableBytes(packCount, frameCount) + columnBytesMin + DIGEST_BYTES;
  check(bytes.byteLength >= sizeBytesMin, 'it is shorter than its tables');
  return { pageCount, packCount, frameCount, runCount };
}

/** Differences summed up in doubles, so nothing overflows; what does not fit its column is refused. */
function readRuns(reader: VarintReader, runCount: number): StoreRunColumns {
  const first = new Uint32Array(runCount);
  const count = new Uint32Array(runCount);
  const frame = new Uint32Array(runCount);
  const framePage = new Uint32Array(runCount);
  const put = (column: Uint32Array, index: number, value: number): void => {
    check(value >= 0 && value <= PAGES_MAX, 'a run is out of bounds');
    column[index] = value;
  };
  for (let index = 0; index < runCount; index += 1) put(first, index, reader.read());
  for (let index = 0; index < runCount; index += 1) put(count, index, reader.read() + 1);
  let endPage = 0;
  for (let index = 0; index < runCount; index += 1) {
    put(first, index, endPage + at(first, index));
    endPage = at(first, index) + at(count, index);
  }
  for (let index = 0, before = 0; index < runCount; index += 1) {
    put(frame, index, before + unzigzag(reader.read()));
    before = at(frame, index);
  }
  for (let index = 0, end = 0; index < runCount; index += 1) {
    const expected = index > 0 && frame[index] === frame[index - 1] ? end : 0;
    put(framePage, index, expected + unzigzag(reader.read()));
    end = at(framePage, index) + at(count, index);
  }
  return { first, count, frame, framePage };
}

function checkRuns(columns: StoreRunColumns, pageCount: number, frames: readonly FrameInfo[]): void {
  const isUsed = new Uint8Array(frames.length);
  const before = { endPage: 0, frame: -1, frameEnd: 0 };
  for (let index = 0; index < columns.first.length; index += 1) {
    const firstPage = at(columns.first, index);
    const endPage = firstPage + at(columns.count, index);
    const frame = at(columns.frame, index);
    const framePage = at(columns.framePage, index);
    const frameEnd = framePage + at(columns.count, index);
    const info = frames[frame];
    check(endPage <= pageCount, 'a run lies outside');
    check(info !== undefined, 'a run names a frame that is not in the table');
    check(frameEnd * PAGE_BYTES <= info.rawBytes, 'a run lies outside its frame');
    const continues = firstPage === before.endPage && frame === before.frame && framePage === before.frameEnd;
    check(!continues, 'two runs are one');
    isUsed[frame] = 1;
    before.endPage = endPage;
    before.frame = frame;
    before.frameEnd = frameEnd;
  }
  check(!isUsed.includes(0), 'it names a frame that it does not use');
}

function damaged(what: string): KelpieError {
  return new KelpieError('package_corrupt', `a map of the package cannot be used: ${what}.`);
}

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw damaged(what);
}
