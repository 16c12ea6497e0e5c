/**
 * Where packages live. One interface over a local directory and (later) any S3-compatible bucket; the doc comments are the
 * contract, and `test/support/teleport-storage-suite.ts` holds every implementation to it.
 *
 * A *package* is a published, immutable snapshot: a manifest and named segments. Its id is the SHA-256 of its manifest's
 * bytes. Publishing is root-last: a reader sees a whole package or none. Everything read back is untrusted.
 */
import type { Bytes } from '../base/bytes.ts';
import type { Architecture, SnapshotMetadata } from '../snapshot/metadata.ts';

/** `device-state`, `memory`, `disk`. */
export type SegmentName = 'device-state' | 'memory' | 'disk';

export interface SegmentInfo {
  readonly name: SegmentName;
  readonly sizeBytes: number;
  /** SHA-256 of the segment's bytes, lower-case hexadecimal. */
  readonly sha256: string;
}

/** A file of the VM's image, by content: the target fetches it when it has no image with this digest. */
export interface BlobReference {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface TeleportPackage {
  /** SHA-256 of the manifest's bytes. */
  readonly id: string;
  readonly metadata: SnapshotMetadata;
  readonly segments: readonly SegmentInfo[];
  /** The VM's image, carried beside the package as blobs that all packages share; empty when the publisher left it out. */
  readonly imageFiles: readonly BlobReference[];
}

/**
 * What is published: streams are read once, in order, and never held whole. A chunk belongs to whoever took it: the source
 * does not touch it again, since it may still be on its way when the next one is asked for.
 */
export interface PackageSource {
  readonly metadata: SnapshotMetadata;
  readonly segments: readonly {
    readonly name: SegmentName;
    readonly sizeBytes: number;
    readonly bytes: () => AsyncIterable<Bytes>;
  }[];
  readonly imageFiles: readonly BlobReference[];
}

export interface TransferProgress {
  /** What is moving: a segment's or blob's name. */
  readonly item: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
}

export interface OpenPackage {
  readonly package: TeleportPackage;
  /**
   * The bytes of a segment, in order. The digest is checked at the end: the iteration throws `package_corrupt` after the last chunk, or
   * earlier when the length differs, so the reader uses nothing before it has ended.
   */
  segment(name: SegmentName, options?: TransferOptions): AsyncIterable<Bytes>;
}

export interface TeleportStorage {
  /** As the user wrote it, without secrets. */
  readonly url: string;
  /** What this host can run; packages of another architecture are refused by `downloadForRestore`. */
  readonly hostArchitecture: Architecture;
  /**
   * Publishes: segments durable, then the manifest durable. Publishing the same content twice gives the same id and is
   * harmless, also at the same time. The image files are in the store already (`uploadBlob`). After a failure or a crash no
   * part of the package is visible, or, when only the answer was lost, all of it is; what was written else is removed by `sweep`.
   * @throws KelpieError `disk_full`, `store_not_writable`, `store_unavailable`, `store_conflict` (deleted meanwhile),
   * `not_found` (an image file), `snapshot_corrupt` (a stream has another length), `canceled`, and what a stream throws.
   */
  upload(source: PackageSource, options?: TransferOptions): Promise<TeleportPackage>;
  /** The package's manifest, checked, and its segments. @throws KelpieError `package_not_found`, `package_corrupt`, `package_too_new`. */
  download(packageId: string): Promise<OpenPackage>;
  /** As `download`, and refuses with `restore_incompatible` what this host's architecture cannot run. */
  downloadForRestore(packageId: string): Promise<OpenPackage>;
  /** The package goes as a whole, or its manifest goes first. No error when it is not there. */
  delete(packageId: string): Promise<void>;
  /** Every published package, newest first, at most `PACKAGES_LISTED_MAX`; a damaged one is listed with `damaged` and its reason. */
  list(): Promise<readonly PackageListing[]>;
  /** Content-addressed bytes beside the packages; nothing is sent when they are there. @throws as `upload`, and `image_corrupt` when the bytes are not those. */
  uploadBlob(
    blob: BlobReference,
    bytes: () => AsyncIterable<Bytes>,
    options?: TransferOptions,
  ): Promise<void>;
  /** Digest and length are checked as in `OpenPackage.segment`. @throws KelpieError `not_found`. */
  downloadBlob(blob: BlobReference, options?: TransferOptions): AsyncIterable<Bytes>;
  /** Removes what unfinished uploads left behind and nothing else; safe while others publish. */
  sweep(): Promise<{ readonly removed: number; readonly removedBytes: number }>;
}

export type PackageListing =
  | {
      readonly damaged: false;
      readonly package: TeleportPackage;
      readonly sizeBytes: number;
      readonly publishedAtUnixMs: number;
    }
  | { readonly damaged: true; readonly id: string; readonly reason: string };
