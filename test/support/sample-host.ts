/** The files of a host that publishes, in a folder of their own, and what it remembers of stores. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { SnapshotMetadata } from '../../src/snapshot/metadata.ts';
import type { PlaceBook } from '../../src/store/packages/place-book.ts';
import type { StoreMap } from '../../src/store/packages/store-map.ts';
import type { ByteSource, LocalPages, PackageSource } from '../../src/store/teleport-storage.ts';
import { samplePattern } from './sample-pattern.ts';
import { patternBytes, sampleConfig, sampleMetadata, sha256, streamOf } from './sample-package.ts';

/** Pages that are not zero, by their number; the same bytes for the same seed. */
export type Contents = Readonly<Record<number, number>>;

/** A place book that is kept for as long as the process. */
export class MemoryPlaces implements PlaceBook {
  readonly files: Map<string, StoreMap> = new Map();

  async of(file: string): Promise<StoreMap | null> {
    return this.files.get(file) ?? null;
  }

  async set(file: string, places: StoreMap): Promise<void> {
    this.files.set(file, places);
  }

  async settle(): Promise<void> {}
}

export interface SampleRequest {
  /** Makes it another snapshot. */
  readonly number?: number;
  readonly memory?: LocalPages;
  readonly disk?: LocalPages;
  readonly deviceState?: ByteSource;
  readonly base?: PackageSource['base'];
  readonly imageFiles?: PackageSource['imageFiles'];
  readonly parentId?: string;
  readonly metadata?: Partial<SnapshotMetadata>;
}

export const SAMPLE_MEMORY_MIB = 2;

export class SampleHost {
  readonly places: MemoryPlaces = new MemoryPlaces();
  readonly #directory: string;
  #files = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async create(): Promise<SampleHost> {
    return new SampleHost(await mkdtemp(join(tmpdir(), 'kelpie-sample-')));
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }

  /** A memory or disk with these pages, which lie back to back in a file of their own. */
  async pages(contents: Contents, sizeMib: number = SAMPLE_MEMORY_MIB): Promise<LocalPages> {
    this.#files += 1;
    const file = `00000000-0000-4000-8000-${this.#files.toString(16).padStart(12, '0')}`;
    const entries = Object.entries(contents).map(([page, seed]) => [Number(page), seed] as const);
    const runs = entries.map(([firstPage], sourcePage) => ({
      firstPage,
      count: 1,
      pageFile: file,
      sourcePage,
    }));
    await writeFile(join(this.#directory, file), Buffer.concat(entries.map(([, seed]) => samplePage(seed))));
    return {
      map: PageMap.of((sizeMib * MIB) / PAGE_BYTES, runs),
      pathOf: (id) => join(this.#directory, id),
    };
  }

  /** A small package; what is not said is the same each time. */
  async source(request: SampleRequest = {}): Promise<PackageSource> {
    const { number = 1, metadata, base = null, imageFiles = [], parentId = null } = request;
    const memory = request.memory ?? (await this.pages({ 0: 1, 1: 2, 300: 3 }));
    const disk = request.disk ?? (await this.pages({ 7: 4 }));
    const config = { ...sampleConfig, memoryMib: mibOf(memory), diskMib: mibOf(disk) };
    const snapshotId = `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
    return {
      metadata: { ...sampleMetadata, config, snapshotId, ...metadata },
      deviceState: request.deviceState ?? sourceOf(patternBytes(23, 1)),
      memory,
      disk,
      base,
      parentId,
      imageFiles,
      places: this.places,
    };
  }
}

function mibOf({ map }: LocalPages): number {
  return (map.pageCount * PAGE_BYTES) / MIB;
}

/** A page that hardly compresses. */
export function samplePage(seed: number): Bytes {
  return samplePattern(PAGE_BYTES, Math.imul(seed, 2_654_435_761));
}

/** What a memory with these pages is, whole. */
export function sampleBytes(contents: Contents, sizeMib: number = SAMPLE_MEMORY_MIB): Bytes {
  const bytes = new Uint8Array(sizeMib * MIB);
  for (const [page, seed] of Object.entries(contents)) bytes.set(samplePage(seed), Number(page) * PAGE_BYTES);
  return bytes;
}

export function sourceOf(bytes: Bytes): ByteSource {
  return { sizeBytes: bytes.byteLength, bytes: () => streamOf(bytes) };
}

export function sampleImageFile(name: string, bytes: Bytes): PackageSource['imageFiles'][number] {
  return { name, sha256: sha256(bytes), ...sourceOf(bytes) };
}
