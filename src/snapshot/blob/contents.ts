/**
 * A snapshot blob: one snapshot as one stream of bytes, for files and pipes. This is what goes in and what comes out; the layout is in
 * `header.ts` and docs/FORMAT.md, the way in is `write-blob.ts`, the way out `read-blob.ts`.
 */
import { KelpieError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { SnapshotMetadata } from '../metadata.ts';
import type { PageBatch } from '../page-reader.ts';
import type { PageRuns } from '../page-runs.ts';

/** Version 1 has no disks and no digests, and carries memory in full; version 2 has both, and leaves zeros out. */
export type BlobVersion = 1 | 2;

/** A memory or a disk that becomes a part of a blob. */
export interface BlobPages {
  /** Of the whole memory or disk; whole pages. */
  readonly sizeBytes: number;
  /** The pages that are there; the others are zeros. */
  readonly runs: PageRuns;
  /** The bytes of `runs`, in order, cut anywhere. A chunk's memory is not used again: it may wait in a connection's queue. */
  readonly pages: () => AsyncIterable<Bytes>;
}

/** A snapshot that becomes a blob. Everything is read once, in this order; for the device state's chunks the same holds as for pages. */
export interface BlobSource {
  readonly metadata: SnapshotMetadata;
  readonly deviceState: { readonly sizeBytes: number; readonly bytes: () => AsyncIterable<Bytes> };
  readonly memory: BlobPages;
  /** As many as the metadata has, of its sizes: one. */
  readonly disks: readonly BlobPages[];
}

export interface BlobVolume {
  /** Of the whole memory or disk. */
  readonly sizeBytes: number;
  /** Pages that will come; null when only the end can tell (version 1). */
  readonly pages: number | null;
}

/** What a blob says that it holds, known before the first byte of it comes. */
export interface BlobContents {
  readonly version: BlobVersion;
  readonly metadata: SnapshotMetadata;
  readonly deviceStateBytes: number;
  readonly memory: BlobVolume;
  /** Empty in version 1. */
  readonly disks: readonly BlobVolume[];
}

/**
 * Takes a blob's contents as they come, each call after the one before has resolved. Nothing may be used before the reader
 * says that the blob is whole. What a method throws ends the reading.
 */
export interface BlobSink {
  /** Comes first, once: the place to refuse the blob before anything is written. */
  begin(contents: BlobContents): Promise<void>;
  /** The next bytes of the device state, valid until the call resolves. */
  deviceState(bytes: Bytes): Promise<void>;
  /** The next pages, in ascending order, valid until the call resolves; whole pages at whole pages. What never comes is zeros. */
  memory(batch: PageBatch): Promise<void>;
  /** The same for the disk at `index`; disks come one after the other. */
  disk(index: number, batch: PageBatch): Promise<void>;
}

/** Sizes in bytes that the metadata demands of a blob's parts. */
export function describedSizes({ config }: SnapshotMetadata): {
  readonly memoryBytes: number;
  readonly diskBytes: readonly number[];
} {
  return { memoryBytes: config.memoryMib * MIB, diskBytes: [config.diskMib * MIB] };
}

/** @throws KelpieError `package_corrupt` unless `holds`. */
export function checkBlob(holds: boolean, what: string): asserts holds {
  if (!holds) throw corruptBlob(what);
}

export function corruptBlob(what: string, cause?: unknown): KelpieError {
  return new KelpieError('package_corrupt', `the package cannot be used: ${what}.`, { cause });
}
