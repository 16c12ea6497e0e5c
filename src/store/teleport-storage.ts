/**
 * Where packages live, over any object store. The doc comments are the contract, and one suite holds it over every store.
 *
 * A *package* is a published, immutable snapshot: a manifest, and in packs the pages of its memory and disk, its device state and
 * the files of its image. What the store holds already is referred to, not sent. Its id is the SHA-256 of its manifest's bytes.
 * Publishing is root-last: a reader sees a whole package or none. Everything read back is untrusted.
 */
import type { Bytes } from '../base/bytes.ts';
import type { FileHandle } from '../env/files.ts';
import type { Architecture, SnapshotMetadata } from '../snapshot/metadata.ts';
import type { OpenPageFiles } from '../snapshot/open-page-files.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import type { PageBatch } from '../snapshot/page-reader.ts';
import type { PlaceBook } from './packages/place-book.ts';
import type { StoreMap } from './packages/store-map.ts';

/** A file of the VM's image, by content: the target fetches it when it has no image with this digest. */
export interface BlobReference {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What a package takes in its store. */
export interface PackageSizes {
  /** Pages that are not zero, in bytes. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Stored bytes of the packs that this package brought. */
  readonly ownBytes: number;
  /** Stored bytes of frames in packs that were there already. */
  readonly sharedBytes: number;
}

export interface TeleportPackage {
  /** SHA-256 of the manifest's bytes. */
  readonly id: string;
  readonly metadata: SnapshotMetadata;
  /** The package that the snapshot before was published as; null when it shares nothing with older ones. For people: nothing needs it. */
  readonly parentId: string | null;
  readonly sizes: PackageSizes;
  /** The VM's image; empty when the publisher left it out. */
  readonly imageFiles: readonly BlobReference[];
  readonly isEncrypted: boolean;
  /** Public key of whoever signed the manifest, when a valid signature is there. */
  readonly signedBy: string | null;
}

/** A memory or a disk as it lies on this host: which page is in which immutable file, by UUID. Pages that the map does not name are zeros. */
export interface LocalPages {
  readonly map: PageMap;
  /** Path of a page file or disk layer of the map. Bytes after the end of a disk layer are zeros; a page file of a memory is never too short. */
  readonly pathOf: (file: string) => string;
}

/** Bytes that are read once, in order, and never held whole. A chunk belongs to whoever took it. */
export interface ByteSource {
  readonly sizeBytes: number;
  readonly bytes: () => AsyncIterable<Bytes>;
}

/** The files of an image, each with its name, digest and contents. */
export interface ImageSource {
  /** Of the image. */
  readonly digest: string;
  readonly files: readonly (BlobReference & ByteSource)[];
}

/** What is published. */
export interface PackageSource {
  readonly metadata: SnapshotMetadata;
  readonly deviceState: ByteSource;
  readonly memory: LocalPages;
  readonly disk: LocalPages;
  /** Snapshot before this one, where it is still here: pages that did not change, though written, are found by comparing with it. */
  readonly base: { readonly memory: LocalPages; readonly disk: LocalPages } | null;
  /** The package that the snapshot before was published as in this store, where that is known. */
  readonly parentId?: string | null;
  /** Name, digest and contents; sent only when the store has no image of this digest. */
  readonly imageFiles: ImageSource['files'];
  /** What of this host's files is in this store; published pages are added as their packs become durable. */
  readonly places: PlaceBook;
}

export interface TransferProgress {
  /** What is moving: `memory`, `disk`, `device-state`, or an image file's name. */
  readonly item: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes that really went over the wire so far, all items together. */
  readonly movedBytes?: number;
}

export interface TransferOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** What of a download is on the disk already; `fetchPages` leaves it out. */
export interface FetchJournal {
  /** Frames that are durable in the target, by their index in the map. */
  readonly isDone: (frame: number) => boolean;
  /** Called after the target was synced. */
  readonly done: (frames: readonly number[]) => Promise<void>;
}

/** What of a download need not be fetched. */
export interface FetchSources {
  readonly journal?: FetchJournal;
  readonly local?: LocalPageFiles;
}

/**
 * Files of this host that have pages of the store: a download takes those instead of fetching them. Nothing that this says or gives is believed; each frame
 * is proven by the package's digest of it, or fetched.
 */
export interface LocalPageFiles {
  /** Where the pages of a file are in the store, one file after the other, the most promising first. Ends early rather than throw. */
  places(): AsyncIterable<{ readonly file: string; readonly places: StoreMap }>;
  /** The files that `places` has named; pages after the end of one are zeros. The caller closes them. */
  open(): OpenPageFiles;
  /** Told once, when all pages are there. */
  used(use: LocalPageUse): void;
}

export interface LocalPageUse {
  /** `memory`, `disk`. */
  readonly item: string;
  /** Bytes of pages that were not fetched. */
  readonly usedBytes: number;
  /** Frames that were fetched though this host should have had their pages: they are damaged here, or were packed by another version of zstd. */
  readonly doubtedFrames: number;
  /** The first failure of reading them, if any failed. */
  readonly cause: Error | null;
}

export interface OpenPackage {
  readonly package: TeleportPackage;
  /** `TeleportStorage.url` of where it is. */
  readonly storeUrl: string;
  /** Where each page lies in the store: checked against its digest. */
  map(paged: 'memory' | 'disk', options?: Pick<TransferOptions, 'signal'>): Promise<StoreMap>;
  readonly deviceStateBytes: number;
  /** @throws KelpieError `package_corrupt`. The digest is checked at the end, so nothing is used before it. */
  deviceState(options?: TransferOptions): AsyncIterable<Bytes>;
  /**
   * Writes every page that is not zero to its place in `target`, which is all zeros but for what `journal` says. Each frame's digest is checked
   * before its pages are written. Frames whose pages `local` has are not fetched. Not synced at the end.
   * @throws KelpieError `package_corrupt`, `store_unavailable`, `disk_full`, `canceled`; the next try may go on with the same target and journal.
   */
  fetchPages(
    paged: 'memory' | 'disk',
    target: FileHandle,
    options?: TransferOptions & FetchSources,
  ): Promise<StoreMap>;
  /**
   * Every page that is not zero, in ascending order, cut anywhere, for those who write no file: each frame's digest is checked before its pages are
   * given out. What is held of a package does not grow with it. A chunk's memory is not used again, and is not to be written to.
   * @throws KelpieError `package_corrupt`, `package_not_found`, `store_unavailable`, `canceled`.
   */
  pages(paged: 'memory' | 'disk', options?: Pick<TransferOptions, 'signal'>): AsyncIterable<Bytes>;
  /** A file of the image, checked as `deviceState`. @throws KelpieError `not_found`. */
  imageFile(name: string, options?: TransferOptions): AsyncIterable<Bytes>;
}

/** What a package is written of whose contents come once and in order, from wherever they come. */
export interface StreamedSource {
  readonly metadata: SnapshotMetadata;
  readonly deviceStateBytes: number;
  readonly image: ImageSource;
}

/**
 * A package in the making: the device state, then the pages of the memory, then those of the disk; then `seal`, then `publish`. Each call comes after
 * the one before has resolved. Ends with `publish` or with `abandon`; before `publish` nothing of it is seen.
 */
export interface PackageWriter {
  /** The next bytes; they are copied. @throws KelpieError `snapshot_corrupt` for more than was said, and as `TeleportStorage.upload`. */
  deviceState(bytes: Bytes): Promise<void>;
  /** The next pages, ascending; they are copied. What never comes is zeros. @throws KelpieError `limit_exceeded`, and as `TeleportStorage.upload`. */
  pages(paged: 'memory' | 'disk', batch: PageBatch): Promise<void>;
  /** Everything is durable, and the id is known. @throws KelpieError as `TeleportStorage.upload`. */
  seal(): Promise<TeleportPackage>;
  /** @throws KelpieError as `TeleportStorage.upload`; whether the package is there is then unknown. */
  publish(): Promise<void>;
  /** Nothing runs on when this resolves. @returns the first failure of all, which may be older than `cause`. */
  abandon(cause: unknown): Promise<unknown>;
}

export interface TeleportStorage {
  /** As the user wrote it, without secrets. */
  readonly url: string;
  /** What this host can run; packages of another architecture are refused by `downloadForRestore`. */
  readonly hostArchitecture: Architecture;
  /** Whether what is published is sealed for the store's recipients. */
  readonly isEncrypted: boolean;
  /** How many recipients can read it; null when it is not sealed, and where this host may not know. */
  readonly recipientCount: number | null;
  /**
   * Sends an image ahead where the store does not know of it, so that `upload` need not: a VM stands still meanwhile. Nothing refers
   * to the files until then, so a sweep may remove them again, and `upload` sends what is gone.
   * @returns how many bytes were stored for it; 0 when it was there.
   * @throws KelpieError as `upload`.
   */
  uploadImage(image: ImageSource, options?: TransferOptions): Promise<number>;
  /**
   * Publishes: packs durable, then the manifest durable. The same content may be published twice, also at the same time. After a failure or a crash no
   * part of the package is visible, or, when only the answer was lost, all of it is; packs that nobody names are `collect`'s, and the next
   * publish of the same pages refers to them.
   * @throws KelpieError `disk_full`, `store_not_writable`, `store_unavailable`, `store_conflict`, `permission_denied`; `snapshot_corrupt` (a source is missing, or has another
   * length or size), `image_corrupt`, `limit_exceeded`, `timeout` (of a day), `canceled`, and what a source throws.
   */
  upload(source: PackageSource, options?: TransferOptions): Promise<TeleportPackage>;
  /** A package that is written as it comes. Nothing of it is shared with older ones but the image. @throws KelpieError as `upload`. */
  write(source: StreamedSource, options?: TransferOptions): Promise<PackageWriter>;
  /** The package's manifest, checked. @throws KelpieError `package_not_found`, `package_corrupt`, `package_too_new`, `permission_denied` (sealed for others, or not signed by whom this host trusts). */
  download(packageId: string): Promise<OpenPackage>;
  /** As `download`, and refuses with `restore_incompatible` what this host's architecture cannot run. */
  downloadForRestore(packageId: string): Promise<OpenPackage>;
  /** The manifest goes; its packs are `collect`'s. No error when it is not there. */
  delete(packageId: string): Promise<void>;
  /** Every published package, newest first, at most `PACKAGES_LISTED_MAX`; a damaged one is listed with `damaged` and its reason. */
  list(): Promise<readonly PackageListing[]>;
}

export type PackageListing =
  | { readonly damaged: false; readonly package: TeleportPackage; readonly publishedAtUnixMs: number }
  | { readonly damaged: true; readonly id: string; readonly reason: string };
