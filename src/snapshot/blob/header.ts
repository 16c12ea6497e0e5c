/**
 * The layout of a snapshot blob, all integers little-endian and unsigned; docs/FORMAT.md has it with its reasons.
 *
 *     version 1: head, metadata, device state, memory in full
 *     version 2: head, volume table, digest │ metadata, digest │ device state, digest │ frames of memory, digest │ frames of a
 *                disk, digest │ … │ SHA-256 of all those digests
 *
 *     head (32)  magic KLP1 (4), version (4), metadata length (8), device state length (8),
 *                version 1: memory length (8)    version 2: volumes (4), reserved 0 (4)
 *     volume     size (8), pages in frames (8), codec (4), reserved 0 (4): the memory first, then the disks
 *     frame      extents (4), stored length (4), extents: first page (4), pages (4); then the stored bytes
 */
import { fromUtf8Lossy, utf8, viewOf } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { MEMORY_PAGES_MAX, METADATA_BYTES_MAX, PAGES_MAX } from '../limits.ts';
import { checkBlob } from './contents.ts';
import { BLOB_DEVICE_STATE_BYTES_MAX, BLOB_VOLUMES_MAX } from './limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { BlobVersion } from './contents.ts';

export const BLOB_HEAD_BYTES = 32;
export const BLOB_VOLUME_BYTES = 24;
export const BLOB_DIGEST_BYTES = 32;
export const BLOB_FRAME_HEAD_BYTES = 8;
export const BLOB_EXTENT_BYTES = 8;

/** How the frames of a volume are stored: as they are; or each as it is or compressed by zstd, whichever is shorter. */
export type BlobCodec = 'stored' | 'zstd';

const codecNumbers: Readonly<Record<BlobCodec, number>> = { stored: 0, zstd: 1 };

const MAGIC = 'KLP1';
const VERSION_NEWEST: BlobVersion = 2;

/** The head, with its lengths as they were found: `readLengths` checks them. */
export interface BlobHead {
  readonly version: BlobVersion;
  readonly metadataBytes: bigint;
  readonly deviceStateBytes: bigint;
  /** Version 1: bytes of the memory. */
  readonly memoryBytes: bigint;
  /** Version 2: memory and disks. */
  readonly volumeCount: number;
}

export interface VolumeEntry {
  readonly sizeBytes: number;
  readonly pages: number;
  readonly codec: BlobCodec;
}

export function encodeHeadV1(metadataBytes: number, deviceStateBytes: number, memoryBytes: number): Bytes {
  const head = encodeHead(1, metadataBytes, deviceStateBytes);
  viewOf(head).setBigUint64(24, BigInt(memoryBytes), true);
  return head;
}

/** The head with the volume table behind it. */
export function encodeHeadV2(
  metadataBytes: number,
  deviceStateBytes: number,
  volumes: readonly VolumeEntry[],
): Bytes {
  const bytes = new Uint8Array(BLOB_HEAD_BYTES + volumes.length * BLOB_VOLUME_BYTES);
  const view = viewOf(bytes);
  bytes.set(encodeHead(2, metadataBytes, deviceStateBytes), 0);
  view.setUint32(24, volumes.length, true);
  for (const [index, { sizeBytes, pages, codec }] of volumes.entries()) {
    const offset = BLOB_HEAD_BYTES + index * BLOB_VOLUME_BYTES;
    view.setBigUint64(offset, BigInt(sizeBytes), true);
    view.setBigUint64(offset + 8, BigInt(pages), true);
    view.setUint32(offset + 16, codecNumbers[codec], true);
  }
  return bytes;
}

function encodeHead(version: BlobVersion, metadataBytes: number, deviceStateBytes: number): Bytes {
  const head = new Uint8Array(BLOB_HEAD_BYTES);
  const view = viewOf(head);
  head.set(utf8(MAGIC), 0);
  view.setUint32(4, version, true);
  view.setBigUint64(8, BigInt(metadataBytes), true);
  view.setBigUint64(16, BigInt(deviceStateBytes), true);
  return head;
}

/** @throws KelpieError `package_corrupt`, `package_too_new`, `limit_exceeded` for the count of volumes. */
export function decodeHead(head: Bytes): BlobHead {
  const view = viewOf(head);
  checkBlob(fromUtf8Lossy(head.subarray(0, 4)) === MAGIC, 'it does not begin as a package does');
  const version = view.getUint32(4, true);
  if (version > VERSION_NEWEST) throw tooNew(`it is of version ${version}`);
  checkBlob(version === 1 || version === 2, 'its version does not exist');
  const lengths = {
    metadataBytes: view.getBigUint64(8, true),
    deviceStateBytes: view.getBigUint64(16, true),
  };
  if (version === 1) return { version, ...lengths, memoryBytes: view.getBigUint64(24, true), volumeCount: 0 };
  const volumeCount = view.getUint32(24, true);
  checkBlob(view.getUint32(28, true) === 0, 'a reserved field of its header is not zero');
  checkBlob(volumeCount >= 1, 'it has no memory');
  checkLimit(BigInt(volumeCount), BLOB_VOLUMES_MAX, 'number of disks');
  return { version, ...lengths, memoryBytes: 0n, volumeCount };
}

/** @throws KelpieError `limit_exceeded`, `package_corrupt`. */
export function checkLengths(head: BlobHead): {
  readonly metadataBytes: number;
  readonly deviceStateBytes: number;
} {
  checkBlob(head.metadataBytes > 0n, 'it has no metadata');
  return {
    metadataBytes: checkLimit(head.metadataBytes, METADATA_BYTES_MAX, 'metadata'),
    deviceStateBytes: checkLimit(head.deviceStateBytes, BLOB_DEVICE_STATE_BYTES_MAX, 'device state'),
  };
}

/** @throws KelpieError `limit_exceeded`, `package_corrupt`, `package_too_new`. */
export function decodeVolumes(table: Bytes): readonly VolumeEntry[] {
  const view = viewOf(table);
  return Array.from({ length: table.byteLength / BLOB_VOLUME_BYTES }, (_, index) => {
    const offset = index * BLOB_VOLUME_BYTES;
    const sizeBytes = checkVolumeSize(view.getBigUint64(offset, true), index === 0 ? 'memory' : 'disk');
    const pages = view.getBigUint64(offset + 8, true);
    checkBlob(pages <= BigInt(sizeBytes / PAGE_BYTES), 'it says to have more pages than its sizes allow');
    const codec = decodeCodec(view.getUint32(offset + 16, true));
    checkBlob(view.getUint32(offset + 20, true) === 0, 'a reserved field of its header is not zero');
    return { sizeBytes, pages: Number(pages), codec };
  });
}

function decodeCodec(codec: number): BlobCodec {
  if (codec === codecNumbers.stored) return 'stored';
  if (codec === codecNumbers.zstd) return 'zstd';
  throw tooNew('it is packed in a newer way');
}

/** @throws KelpieError `limit_exceeded`, `package_corrupt`. */
export function checkVolumeSize(sizeBytes: bigint, what: 'memory' | 'disk'): number {
  const pagesMax = what === 'memory' ? MEMORY_PAGES_MAX : PAGES_MAX;
  const checked = checkLimit(sizeBytes, pagesMax * PAGE_BYTES, what);
  checkBlob(checked > 0 && checked % PAGE_BYTES === 0, `its ${what} is not of whole pages`);
  return checked;
}

function checkLimit(length: bigint, max: number, what: string): number {
  if (length <= BigInt(max)) return Number(length);
  throw new KelpieError(
    'limit_exceeded',
    `the package cannot be read: it tells ${length} for its ${what}, and at most ${max} are read.`,
  );
}

function tooNew(what: string): KelpieError {
  return new KelpieError(
    'package_too_new',
    `the package cannot be read: ${what}, and this Kelpie reads up to version ${VERSION_NEWEST}: update it.`,
  );
}
