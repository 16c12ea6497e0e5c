/**
 * An empty qcow2 overlay, written without starting `qemu-img`: it is needed at every snapshot and every restore, and a
 * process of its own costs 20 ms there. Layout: docs/interop/qcow2.txt of QEMU, version 3.
 *
 *   cluster 0  header and the name of the layer below
 *   cluster 1  refcount table: one entry, cluster 2
 *   cluster 2  refcount block: clusters 0 … 3 (and more of the L1 table) are in use once
 *   cluster 3… L1 table: all zeros, nothing is allocated yet
 */
import { assert } from '../../base/assert.ts';
import { utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KIB } from '../../base/units.ts';

const CLUSTER_BITS = 16;
const CLUSTER_BYTES: number = 64 * KIB;
const HEADER_BYTES = 104;
const REFCOUNT_ORDER_16_BIT = 4;
/** Each entry of an L1 table stands for one L2 table, a cluster of 8-byte entries for a cluster each: 512 MiB. */
const BYTES_PER_L1_ENTRY: number = (CLUSTER_BYTES / 8) * CLUSTER_BYTES;
const BACKING_FORMAT_EXTENSION = 0xe279_2aca;

export interface OverlayOptions {
  /** The disk's size as the guest sees it: a multiple of 512. */
  readonly sizeBytes: number;
  /** File name of the layer below, in the same folder. */
  readonly backingFile: string;
  readonly backingFormat: 'raw' | 'qcow2';
}

/** The first bytes of the file, and how long it is: the rest is zeros. */
export function emptyOverlay(options: OverlayOptions): { readonly head: Bytes; readonly fileBytes: number } {
  assert(options.sizeBytes > 0 && options.sizeBytes % 512 === 0, 'a disk has whole sectors');
  const backing = utf8(options.backingFile);
  assert(backing.byteLength > 0 && backing.byteLength < 1024, 'the name of a backing file fits');
  const l1Entries = Math.ceil(options.sizeBytes / BYTES_PER_L1_ENTRY);
  const clusters = 3 + Math.ceil((l1Entries * 8) / CLUSTER_BYTES);
  const head = new Uint8Array(2 * CLUSTER_BYTES + 2 * clusters);
  const view = viewOf(head);
  const format = utf8(options.backingFormat);
  const formatBytes = Math.ceil(format.byteLength / 8) * 8;
  const backingOffset = HEADER_BYTES + 8 + formatBytes + 8;

  view.setUint32(0, 0x5146_49fb); // "QFI\xfb"
  view.setUint32(4, 3);
  view.setBigUint64(8, BigInt(backingOffset));
  view.setUint32(16, backing.byteLength);
  view.setUint32(20, CLUSTER_BITS);
  view.setBigUint64(24, BigInt(options.sizeBytes));
  view.setUint32(36, l1Entries);
  view.setBigUint64(40, BigInt(3 * CLUSTER_BYTES));
  view.setBigUint64(48, BigInt(CLUSTER_BYTES));
  view.setUint32(56, 1); // clusters of the refcount table
  view.setUint32(96, REFCOUNT_ORDER_16_BIT);
  view.setUint32(100, HEADER_BYTES);
  view.setUint32(HEADER_BYTES, BACKING_FORMAT_EXTENSION);
  view.setUint32(HEADER_BYTES + 4, format.byteLength);
  head.set(format, HEADER_BYTES + 8);
  head.set(backing, backingOffset);
  view.setBigUint64(CLUSTER_BYTES, BigInt(2 * CLUSTER_BYTES));
  for (let cluster = 0; cluster < clusters; cluster += 1) view.setUint16(2 * CLUSTER_BYTES + 2 * cluster, 1);
  return { head, fileBytes: clusters * CLUSTER_BYTES };
}
