/** A host that publishes small snapshots, told page by page. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concat } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { readUuid } from '../../src/base/uuid.ts';
import type { Compute } from '../../src/env/compute.ts';
import type { Env } from '../../src/env/env.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';
import { PageRunsBuilder } from '../../src/snapshot/page-runs.ts';
import type { PageRuns } from '../../src/snapshot/page-runs.ts';
import { MemoryObjects } from '../../src/store/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { PACKAGES_PREFIX } from '../../src/store/packages/package-key.ts';
import { openPackage } from '../../src/store/packages/open-package.ts';
import type { PlaceBook } from '../../src/store/packages/place-book.ts';
import { plainSealing } from '../../src/store/packages/sealing.ts';
import type { PackageSealing } from '../../src/store/packages/sealing.ts';
import { decodeStoreMap, encodeStoreMap } from '../../src/store/packages/store-map-codec.ts';
import type { StoreMap } from '../../src/store/packages/store-map.ts';
import { uploadPackage } from '../../src/store/packages/upload-package.ts';
import type {
  ByteSource,
  LocalPages,
  PackageSource,
  TeleportPackage,
  TransferOptions,
} from '../../src/store/teleport-storage.ts';
import { collect } from './collect.ts';
import { MemoryFile } from './memory-file.ts';
import { quickCompute } from './quick-compute.ts';
import { patternBytes, sampleMetadata } from './sample-package.ts';

/** The contents of each page: 0 for zeros, else what makes its bytes. */
export type PageContents = readonly number[];

/** Keeps maps as files do: as bytes. */
export class EncodedPlaces implements PlaceBook {
  readonly files: Map<string, Bytes> = new Map();
  /** A host that is dead writes nothing down. */
  isFrozen = false;
  sets = 0;
  readonly settled: Set<string> = new Set();

  async of(file: string): Promise<StoreMap | null> {
    const bytes = this.files.get(file);
    return bytes === undefined ? null : decodeStoreMap(bytes, quickCompute());
  }

  async set(file: string, places: StoreMap): Promise<void> {
    this.sets += 1;
    if (!this.isFrozen) this.files.set(file, encodeStoreMap(places, quickCompute()));
    this.settled.delete(file);
  }

  async settle(files: readonly string[]): Promise<void> {
    for (const file of files) this.settled.add(file);
  }
}

/** Counts what is packed. */
export class CountedCompute {
  readonly compute: Compute;
  rawBytes = 0;

  constructor(inner: Compute = quickCompute()) {
    this.compute = {
      ...inner,
      packFrame: async (raw, seal) => {
        this.rawBytes += raw.byteLength;
        return await inner.packFrame(raw, seal);
      },
    };
  }
}

export interface Published {
  readonly memory: PageContents;
  readonly disk: PageContents;
  readonly id: string;
}

export interface PublishRequest extends TransferOptions {
  readonly memory: LocalPages;
  readonly disk?: LocalPages;
  readonly base?: PackageSource['base'];
  readonly objects?: ObjectStore;
  readonly deviceState?: ByteSource;
  readonly imageFiles?: PackageSource['imageFiles'];
  readonly parentId?: string;
}

export class PublishWorld {
  readonly counted: CountedCompute;
  readonly env: Env;
  readonly objects: ObjectStore;
  places: EncodedPlaces = new EncodedPlaces();
  sealing: PackageSealing = plainSealing;
  readonly directory: string;
  #files = 0;

  private constructor(directory: string, env: Partial<Env>, objects: ObjectStore | null) {
    this.directory = directory;
    this.counted = new CountedCompute(env.compute);
    this.env = { ...createNodeEnv(), ...env, compute: this.counted.compute };
    this.objects = objects ?? new MemoryObjects(this.env);
  }

  /** @param objects default: in this process's memory. */
  static async create(env: Partial<Env> = {}, objects: ObjectStore | null = null): Promise<PublishWorld> {
    return new PublishWorld(await mkdtemp(join(tmpdir(), 'kelpie-publish-')), env, objects);
  }

  /** A world for as long as `act` takes. */
  static async with(act: (world: PublishWorld) => Promise<void>): Promise<void> {
    const world = await PublishWorld.create();
    try {
      await act(world);
    } finally {
      await world.close();
    }
  }

  async close(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }

  pathOf(file: string): string {
    return join(this.directory, file);
  }

  /** A new file with these pages back to back. @returns its UUID. */
  async file(pages: PageContents): Promise<string> {
    this.#files += 1;
    const uuid = new Uint8Array(16);
    new DataView(uuid.buffer).setUint32(12, this.#files);
    const file = readUuid(uuid, 0);
    await writeFile(this.pathOf(file), concat(pages.map(pageBytes)));
    return file;
  }

  /** As a first snapshot: a mappable file, each page at its place. */
  async mappable(contents: PageContents): Promise<LocalPages> {
    const map = PageMap.identity(
      contents.length,
      await this.file(contents),
      pagesWhere(contents, (page) => page !== 0),
    );
    return this.pages(map);
  }

  /** A memory whose file takes no space: its pages are all the same. */
  async sparse(pageCount: number, isThere: (page: number) => boolean): Promise<LocalPages> {
    const builder = new PageRunsBuilder();
    for (let page = 0; page < pageCount; page += 1) if (isThere(page)) builder.append(page);
    const [pageFile, pages] = [await this.file([1]), builder.finish()];
    const runs = [...pages].flatMap(({ firstPage, count }) =>
      Array.from({ length: count }, (_, index) => ({
        firstPage: firstPage + index,
        count: 1,
        pageFile,
        sourcePage: 0,
      })),
    );
    return this.pages(PageMap.of(pageCount, runs));
  }

  /** As a later one: `after` over `before`, of which the pages at `written` are new in a file of their own. */
  async overlay(before: LocalPages, after: PageContents, written: ReadonlySet<number>): Promise<LocalPages> {
    const pages = [...written].toSorted((a, b) => a - b).filter((page) => after[page] !== 0);
    const pageFile = await this.file(pages.map((page) => after[page] ?? 0));
    const runs = pagesWhere(after, (content, page) => written.has(page) && content !== 0);
    const zeroRuns = pagesWhere(after, (content, page) => written.has(page) && content === 0);
    return this.pages(before.map.overlay({ pageFile, runs, zeroRuns }));
  }

  pages(map: PageMap): LocalPages {
    return { map, pathOf: (file) => this.pathOf(file) };
  }

  async publish(request: PublishRequest): Promise<TeleportPackage> {
    const {
      memory,
      base = null,
      objects = this.objects,
      imageFiles = [],
      parentId = null,
      ...options
    } = request;
    const disk = request.disk ?? this.pages(PageMap.empty(MIB / PAGE_BYTES));
    const mibOf = ({ map }: LocalPages): number => Math.floor((map.pageCount * PAGE_BYTES) / MIB);
    const config = { ...sampleMetadata.config, memoryMib: mibOf(memory), diskMib: mibOf(disk) };
    const deviceState = request.deviceState ?? bytesOf(patternBytes(300, 7));
    const source: PackageSource = {
      metadata: { ...sampleMetadata, config },
      ...{ deviceState, memory, disk, base, imageFiles, parentId, places: this.places },
    };
    return await uploadPackage(
      this.env,
      { objects, sealing: this.sealing, hostName: 'host' },
      source,
      options,
    );
  }

  /** Every package that can be seen, by its id, is whole. */
  async packageIds(): Promise<readonly string[]> {
    const { objects } = await this.objects.list({ prefix: PACKAGES_PREFIX });
    return objects.map(({ key }) => key.slice(PACKAGES_PREFIX.length));
  }

  async keys(prefix: string): Promise<readonly string[]> {
    return (await this.objects.list({ prefix })).objects.map(({ key }) => key);
  }

  /** All that the package has is what was published. */
  async expect(id: string, memory: PageContents, disk: PageContents = []): Promise<void> {
    const opened = await openPackage(this.env, this, id);
    for (const [paged, contents] of [
      ['memory', memory],
      ['disk', disk],
    ] as const) {
      const { pageCount } = await opened.map(paged);
      const target = new MemoryFile(pageCount * PAGE_BYTES);
      await opened.fetchPages(paged, target);
      const wanted = new Uint8Array(pageCount * PAGE_BYTES);
      wanted.set(concat(contents.map(pageBytes)));
      assert.ok(Buffer.from(target.bytes).equals(wanted), `${paged} is read back as it was written`);
    }
    assert.ok((await collect(opened.deviceState())).length > 0);
    for (const { name } of opened.package.imageFiles) await collect(opened.imageFile(name));
  }
}

const pageCache = new Map<number, Bytes>();

/** The bytes of a page: 4096 that hardly compress, or zeros. */
export function pageBytes(content: number): Bytes {
  const known = pageCache.get(content);
  if (known !== undefined) return known;
  const bytes = content === 0 ? new Uint8Array(PAGE_BYTES) : patternBytes(PAGE_BYTES, content);
  pageCache.set(content, bytes);
  return bytes;
}

export function bytesOf(bytes: Bytes): ByteSource {
  return {
    sizeBytes: bytes.byteLength,
    async *bytes() {
      yield bytes.slice();
    },
  };
}

function pagesWhere(contents: PageContents, holds: (content: number, page: number) => boolean): PageRuns {
  const builder = new PageRunsBuilder();
  for (const [page, content] of contents.entries()) if (holds(content, page)) builder.append(page);
  return builder.finish();
}
