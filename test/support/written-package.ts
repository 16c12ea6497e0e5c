/**
 * Packages written by hand, one frame after the other, so that a test says what lies where, and so that any part may be a lie. What publishes
 * is `upload-package.ts`; this knows nothing of it.
 */
import { concat } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import type { Env } from '../../src/env/env.ts';
import type { SnapshotMetadata } from '../../src/snapshot/metadata.ts';
import { FRAME_BYTES_MAX } from '../../src/env/compute.ts';
import { PACK_FRAMES_MAX } from '../../src/store/packages/limits.ts';
import { sealManifest } from '../../src/store/packages/manifest.ts';
import type { PackageBody } from '../../src/store/packages/manifest-body.ts';
import type { PackageSealing } from '../../src/store/packages/sealing.ts';
import type { ObjectStore } from '../../src/store/objects/object-store.ts';
import { packageKey } from '../../src/store/packages/package-key.ts';
import { encodePackHeader } from '../../src/store/packages/pack-header.ts';
import { packKey } from '../../src/store/packages/pack-name.ts';
import type { PackName } from '../../src/store/packages/pack-name.ts';
import { StoreMapBuilder } from '../../src/store/packages/store-map-builder.ts';
import { encodeStoreMap } from '../../src/store/packages/store-map-codec.ts';
import type { FrameInfo, StoreMap } from '../../src/store/packages/store-map.ts';
import type { StoredStream } from '../../src/store/packages/stored-stream.ts';
import { sampleMetadata } from './sample-package.ts';

export type WriterEnv = Pick<Env, 'compute'>;

export interface WriterStore {
  readonly objects: ObjectStore;
  readonly sealing: PackageSealing;
}

/** The packs of one session, in the making. */
export class PackWriter {
  readonly session: string;
  readonly #env: WriterEnv;
  readonly #store: WriterStore;
  readonly #packs: PackName[] = [];
  #parts: Bytes[] = [];
  #frames = 0;
  #length = 0;

  constructor(env: WriterEnv, store: WriterStore, session: string) {
    this.#env = env;
    this.#store = store;
    this.session = session;
  }

  /** Those that were put. */
  get packs(): readonly PackName[] {
    return this.#packs;
  }

  isZero(page: Bytes): boolean {
    return this.#env.compute.isZero(page);
  }

  async frame(raw: Bytes, framesPerPack: number = PACK_FRAMES_MAX): Promise<FrameInfo> {
    if (this.#frames >= framesPerPack) await this.endPack();
    const pack = { session: this.session, number: this.#packs.length };
    if (this.#frames === 0) this.#append(encodePackHeader(pack));
    const number = this.#frames;
    const seal = this.#store.sealing.frameSeal(pack, number);
    const { bytes, codec, sha256 } = await this.#env.compute.packFrame(raw.slice(), seal);
    const offset = this.#length;
    this.#append(bytes);
    this.#frames += 1;
    return { pack, number, offset, storedBytes: bytes.byteLength, rawBytes: raw.byteLength, codec, sha256 };
  }

  async stream(bytes: Bytes): Promise<StoredStream> {
    const frames: FrameInfo[] = [];
    for (let offset = 0; offset < bytes.byteLength; offset += FRAME_BYTES_MAX)
      frames.push(await this.frame(bytes.subarray(offset, offset + FRAME_BYTES_MAX)));
    return { sizeBytes: bytes.byteLength, sha256: this.#env.compute.sha256(bytes), frames };
  }

  async endPack(): Promise<void> {
    if (this.#frames === 0) return;
    const pack = { session: this.session, number: this.#packs.length };
    await this.#store.objects.putIfAbsent(packKey(pack), concat(this.#parts));
    this.#packs.push(pack);
    this.#parts = [];
    this.#frames = 0;
    this.#length = 0;
  }

  #append(bytes: Bytes): void {
    this.#parts.push(bytes);
    this.#length += bytes.byteLength;
  }
}

/** Writes the pages that are not zero, `pagesPerFrame` to a frame. */
export async function writePages(
  writer: PackWriter,
  bytes: Bytes,
  options: Pick<WriteOptions, 'pagesPerFrame' | 'framesPerPack'> = {},
): Promise<StoreMap> {
  const { pagesPerFrame = FRAME_BYTES_MAX / PAGE_BYTES, framesPerPack = PACK_FRAMES_MAX } = options;
  const map = new StoreMapBuilder(bytes.byteLength / PAGE_BYTES);
  const pages: number[] = [];
  for (let page = 0; page * PAGE_BYTES < bytes.byteLength; page += 1)
    if (!writer.isZero(pageOf(bytes, page))) pages.push(page);
  for (let start = 0; start < pages.length; start += pagesPerFrame) {
    const inFrame = pages.slice(start, start + pagesPerFrame);
    const info = await writer.frame(concat(inFrame.map((page) => pageOf(bytes, page))), framesPerPack);
    const frame = map.frame(info);
    for (const [index, page] of inFrame.entries()) map.append(page, 1, frame, index);
  }
  return map.finish();
}

function pageOf(bytes: Bytes, page: number): Bytes {
  return bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
}

export interface WrittenContents {
  /** Whole mebibytes. */
  readonly memory: Bytes;
  readonly disk: Bytes;
  readonly deviceState: Bytes;
}

export interface WriteOptions {
  readonly session?: string;
  readonly pagesPerFrame?: number;
  readonly framesPerPack?: number;
  readonly metadata?: Partial<SnapshotMetadata>;
  /** Changes what is said before the manifest is written. */
  readonly lie?: (
    body: PackageBody,
    packs: readonly PackName[],
  ) => { body?: PackageBody; packs?: readonly PackName[] };
  /** Changes a map before it is written. */
  readonly lieOfMemory?: (map: StoreMap) => StoreMap;
}

/** Publishes a whole package of its own. @returns its id. */
export async function writePackage(
  env: WriterEnv,
  store: WriterStore,
  { memory, disk, deviceState }: WrittenContents,
  options: WriteOptions = {},
): Promise<string> {
  const writer = new PackWriter(env, store, options.session ?? '00000000-0000-4000-8000-0000000000f1');
  const memoryMap = await writePages(writer, memory, options);
  const diskMap = await writePages(writer, disk, options);
  const encode = (map: StoreMap): Bytes => encodeStoreMap(map, env.compute);
  const body: PackageBody = {
    metadata: {
      ...sampleMetadata,
      ...options.metadata,
      config: {
        ...sampleMetadata.config,
        memoryMib: memory.byteLength / MIB,
        diskMib: disk.byteLength / MIB,
      },
    },
    parentId: null,
    sizes: { memoryBytes: memory.byteLength, diskBytes: disk.byteLength, ownBytes: 1, sharedBytes: 0 },
    deviceState: await writer.stream(deviceState),
    memoryMap: await writer.stream(encode(options.lieOfMemory?.(memoryMap) ?? memoryMap)),
    diskMap: await writer.stream(encode(diskMap)),
    imageFiles: [],
  };
  await writer.endPack();
  const told = { body, packs: writer.packs, ...options.lie?.(body, writer.packs) };
  const { id, bytes } = sealManifest(env.compute, store.sealing, { ...told, ownPacks: told.packs.length });
  await store.objects.putIfAbsent(packageKey(id), bytes);
  return id;
}
