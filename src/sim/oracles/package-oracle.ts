/** Nothing is lost: what the store's records and manifests name is there, durably and byte for byte. */
import { z } from 'zod';
import { assert } from '../../base/assert.ts';
import { concat, fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { InPlaceCompute } from '../../env/compute.ts';
import { parseManifest } from '../../store/packages/manifest.ts';
import { packText, parsePackText } from '../../store/packages/pack-name.ts';
import type { PackageSealing } from '../../store/packages/sealing.ts';
import { decodeStoreMap } from '../../store/packages/store-map-codec.ts';
import type { StreamReference } from '../../store/packages/stored-stream.ts';
import type { FrameInfo } from '../../store/packages/store-map.ts';
import { parseJson } from '../parse-json.ts';
import type { World } from '../world/world.ts';
import { newestRecords, objectAt } from './store-view.ts';

/** A frame, with the name of its pack. */
interface Frame {
  readonly pack: string;
  /** Of the pack. */
  readonly number: number;
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly codec: 'stored' | 'zstd';
  readonly sha256: string;
}

const frames = z.array(
  z.object({
    pack: z.int(),
    number: z.int(),
    offset: z.int(),
    storedBytes: z.int(),
    rawBytes: z.int(),
    codec: z.enum(['stored', 'zstd']),
    sha256: z.string(),
  }),
);
const stream = z.object({ frames });
const manifestSchema = z.object({
  packs: z.array(z.string()),
  body: z.object({
    deviceState: stream,
    memoryMap: stream,
    diskMap: stream,
    imageFiles: z.array(z.object({ name: z.string(), stream })),
  }),
});

/** What a package consists of, each stream as its manifest, or as we tell where it is. */
interface Streams<Stream> {
  readonly deviceState: Stream;
  readonly memoryMap: Stream;
  readonly diskMap: Stream;
  readonly imageFiles: readonly { readonly name: string; readonly stream: Stream }[];
}

type Contents = Streams<readonly Frame[]>;

function located<Stream>(body: Streams<Stream>, locate: (stream: Stream) => readonly Frame[]): Contents {
  return {
    deviceState: locate(body.deviceState),
    memoryMap: locate(body.memoryMap),
    diskMap: locate(body.diskMap),
    imageFiles: body.imageFiles.map((file) => ({ name: file.name, stream: locate(file.stream) })),
  };
}

/** Read apart from the program, which wrote it. */
function plainContents(bytes: Bytes): Contents {
  const { packs, body } = parseJson(manifestSchema, fromUtf8Lossy(bytes));
  return located(body, ({ frames: listed }) =>
    listed.map((frame) => ({ ...frame, pack: packs[frame.pack] ?? 'none' })),
  );
}

/** Nobody but the program can open it. */
function sealedContents(
  compute: InPlaceCompute,
  sealing: PackageSealing,
  id: string,
  bytes: Bytes,
): Contents {
  const { body } = parseManifest(compute, sealing, id, bytes);
  return located<StreamReference>(body, (reference) => {
    assert('frames' in reference, 'simulated packages are small');
    return reference.frames.map(named);
  });
}

function named(frame: FrameInfo): Frame {
  return { ...frame, pack: packText(frame.pack) };
}

export class PackageOracle {
  readonly #world: World;
  readonly #compute: InPlaceCompute;
  /** Packages that were checked whole. */
  readonly #checked = new Set<string>();

  constructor(world: World, compute: InPlaceCompute) {
    this.#world = world;
    this.#compute = compute;
  }

  /** Called now and then. */
  check(): void {
    // Nobody can promise bytes that the disk wrote elsewhere.
    if (this.#world.faults.hasDamagedStore) return;
    for (const record of newestRecords(this.#world, 'cached')) {
      if (record.state === 'at-rest' && record.packageId !== null)
        this.#checkPackage(record.packageId, record.text);
    }
  }

  /** Looks at every byte again. */
  checkAll(): void {
    this.#checked.clear();
    this.check();
  }

  #checkPackage(id: string, because: string): void {
    if (this.#checked.has(id)) return;
    this.#checked.add(id);
    const lost = (what: string): void =>
      this.#world.truth.violated('packages', `${what} of package ${id} is not durable, though ${because}`);
    const bytes = objectAt(this.#world, `packages/${id}`, 'durable');
    if (bytes === null || this.#compute.sha256(bytes) !== id) return lost('the manifest');
    const { sealing } = this.#world;
    const contents = sealing.isEncrypted
      ? sealedContents(this.#compute, sealing, id, bytes)
      : plainContents(bytes);
    const read = new DurableFrames(this.#world, this.#compute);
    const check = (what: string, listed: readonly Frame[]): Bytes | null => {
      const raw = read.all(listed);
      if (raw === null) lost(what);
      return raw;
    };
    check('the device state', contents.deviceState);
    for (const file of contents.imageFiles) check(`the image's ${file.name}`, file.stream);
    for (const paged of ['memory', 'disk'] as const) {
      const encoded = check(`the map of the ${paged}`, contents[`${paged}Map`]);
      if (encoded === null) continue;
      const map = decodeStoreMap(encoded, this.#compute);
      if (!map.frames.every((frame) => read.stored(named(frame)) !== null)) lost(`the ${paged}`);
    }
  }
}

/** Reads packs as they are on the medium, each once. */
class DurableFrames {
  readonly #world: World;
  readonly #compute: InPlaceCompute;
  readonly #packs = new Map<string, Bytes | null>();

  constructor(world: World, compute: InPlaceCompute) {
    this.#world = world;
    this.#compute = compute;
  }

  /** The raw bytes of frames, one after the other; null when one is not there as it should be. */
  all(wanted: readonly Frame[]): Bytes | null {
    const parts: Bytes[] = [];
    for (const frame of wanted) {
      const bytes = this.stored(frame);
      if (bytes === null) return null;
      parts.push(this.#compute.frames.unpack({ ...frame, bytes }, frame.rawBytes, this.#seal(frame)));
    }
    return concat(parts);
  }

  #seal({ pack, number }: Frame): ReturnType<PackageSealing['frameSeal']> {
    const name = parsePackText(pack);
    return name === null ? null : this.#world.sealing.frameSeal(name, number);
  }

  /** As it is stored; null when it is not there, or another. */
  stored({ pack, offset, storedBytes, sha256 }: Frame): Bytes | null {
    const bytes = this.#pack(pack)?.slice(offset, offset + storedBytes);
    return bytes !== undefined && this.#compute.sha256(bytes) === sha256 ? bytes : null;
  }

  #pack(name: string): Bytes | null {
    const known = this.#packs.get(name);
    if (known !== undefined) return known;
    const bytes = objectAt(this.#world, `packs/${name}`, 'durable');
    this.#packs.set(name, bytes);
    return bytes;
  }
}
