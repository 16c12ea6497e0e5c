import { assert } from '../base/assert.ts';
import { fromHex, fromUtf8Lossy, hex, utf8, viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { UUID_BYTES, readUuid, writeUuid } from '../base/uuid.ts';
import type { Compute } from '../env/compute.ts';
import { MEMORY_PAGES_MAX, PAGE_FILES_MAX, PAGE_MAP_RUNS_MAX } from './limits.ts';
import { at } from './mapped-runs.ts';
import type { MappedRuns } from './mapped-runs.ts';

/** What a page map's bytes say. */
export interface PageMapParts {
  readonly pageCount: number;
  readonly pageFiles: readonly string[];
  readonly runs: MappedRuns;
}

const MAGIC = 'KLPM';
const VERSION = 1;
const HEADER_BYTES = 24;
const RUN_BYTES = 16;
const DIGEST_BYTES = 32;

/** The longest page map there is, for reading one whole. */
export const PAGE_MAP_BYTES_MAX: number =
  HEADER_BYTES + PAGE_FILES_MAX * UUID_BYTES + PAGE_MAP_RUNS_MAX * RUN_BYTES + DIGEST_BYTES;

/** The bytes of a page map; `docs/FORMAT.md` has the layout. */
export function encodePageMap(
  { pageCount, pageFiles, runs }: PageMapParts,
  compute: Pick<Compute, 'sha256'>,
): Bytes {
  const runCount = runs.first.length;
  assert(
    pageCount <= MEMORY_PAGES_MAX && pageFiles.length <= PAGE_FILES_MAX && runCount <= PAGE_MAP_RUNS_MAX,
    'a page map is within its bounds',
  );
  const bytes = new Uint8Array(sizeBytes(pageFiles.length, runCount));
  const view = viewOf(bytes);
  bytes.set(utf8(MAGIC), 0);
  view.setUint32(4, VERSION, true);
  view.setUint32(8, pageCount, true);
  view.setUint32(12, pageFiles.length, true);
  view.setUint32(16, runCount, true);
  for (const [index, id] of pageFiles.entries()) writeUuid(id, bytes, HEADER_BYTES + index * UUID_BYTES);
  let offset = HEADER_BYTES + pageFiles.length * UUID_BYTES;
  for (let index = 0; index < runCount; index += 1, offset += RUN_BYTES) {
    view.setUint32(offset, at(runs.first, index), true);
    view.setUint32(offset + 4, at(runs.count, index), true);
    view.setUint32(offset + 8, at(runs.file, index), true);
    view.setUint32(offset + 12, at(runs.source, index), true);
  }
  bytes.set(digestOf(bytes, compute), offset);
  return bytes;
}

/** The reverse, of bytes that are not trusted. @throws KelpieError `snapshot_corrupt`, `package_too_new`. */
export function decodePageMap(bytes: Bytes, compute: Pick<Compute, 'sha256'>): PageMapParts {
  const { pageCount, fileCount, runCount } = decodeHeader(bytes);
  const digestOffset = bytes.byteLength - DIGEST_BYTES;
  check(hex(bytes.subarray(digestOffset)) === hex(digestOf(bytes, compute)), 'its digest is wrong');
  const pageFiles = Array.from({ length: fileCount }, (_, index) =>
    readUuid(bytes, HEADER_BYTES + index * UUID_BYTES),
  );
  check(new Set(pageFiles).size === fileCount, 'it names a page file twice');
  const runs = decodeRuns(viewOf(bytes), HEADER_BYTES + fileCount * UUID_BYTES, runCount);
  checkRuns(runs, pageCount, fileCount);
  return { pageCount, pageFiles, runs };
}

function decodeHeader(bytes: Bytes): { pageCount: number; fileCount: number; runCount: number } {
  check(bytes.byteLength >= HEADER_BYTES + DIGEST_BYTES, 'it is too short');
  check(fromUtf8Lossy(bytes.subarray(0, 4)) === MAGIC, 'it does not begin with its magic');
  const view = viewOf(bytes);
  const version = view.getUint32(4, true);
  if (version > VERSION) {
    throw new KelpieError(
      'package_too_new',
      `the page map is of format ${version}; this Kelpie reads up to ${VERSION}: update it.`,
    );
  }
  check(version === VERSION, 'its version does not exist');
  const pageCount = view.getUint32(8, true);
  const fileCount = view.getUint32(12, true);
  const runCount = view.getUint32(16, true);
  check(view.getUint32(20, true) === 0, 'a reserved field is not zero');
  check(pageCount >= 1 && pageCount <= MEMORY_PAGES_MAX, 'its memory size is out of bounds');
  check(fileCount <= PAGE_FILES_MAX && runCount <= PAGE_MAP_RUNS_MAX, 'its tables are out of bounds');
  check(bytes.byteLength === sizeBytes(fileCount, runCount), 'its length does not match its tables');
  return { pageCount, fileCount, runCount };
}

function decodeRuns(view: DataView, start: number, runCount: number): MappedRuns {
  const column = (field: number): Uint32Array => {
    const values = new Uint32Array(runCount);
    for (let index = 0; index < runCount; index += 1) {
      values[index] = view.getUint32(start + index * RUN_BYTES + field, true);
    }
    return values;
  };
  return { first: column(0), count: column(4), file: column(8), source: column(12) };
}

function checkRuns(runs: MappedRuns, pageCount: number, fileCount: number): void {
  const isUsed = new Uint8Array(fileCount);
  let endPage = 0;
  for (let index = 0; index < runs.first.length; index += 1) {
    const firstPage = at(runs.first, index);
    const count = at(runs.count, index);
    const file = at(runs.file, index);
    check(count >= 1 && firstPage >= endPage, 'its runs are empty, overlap or are out of order');
    check(firstPage + count <= pageCount, 'a run lies outside the memory');
    check(file < fileCount, 'a run names a page file that is not in the table');
    check(at(runs.source, index) + count <= MEMORY_PAGES_MAX, 'a run lies outside any page file');
    endPage = firstPage + count;
    isUsed[file] = 1;
  }
  check(!isUsed.includes(0), 'it names a page file that it does not use');
}

function sizeBytes(fileCount: number, runCount: number): number {
  return HEADER_BYTES + fileCount * UUID_BYTES + runCount * RUN_BYTES + DIGEST_BYTES;
}

function digestOf(bytes: Bytes, compute: Pick<Compute, 'sha256'>): Bytes {
  return fromHex(compute.sha256(bytes.subarray(0, bytes.byteLength - DIGEST_BYTES)));
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new KelpieError('snapshot_corrupt', `the page map cannot be used: ${what}.`);
}
