/** Packs from one store to another, as they are stored. */
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import type { Env } from '../../env/env.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import type { TransferOptions } from '../teleport-storage.ts';
import { RANGES_AT_ONCE } from './frame-reader.ts';
import { PACK_BYTES_MAX } from './limits.ts';
import { checkPackHeader } from './pack-header.ts';
import { packKey, packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import type { FrameInfo } from './store-map.ts';

export interface PackCopyPlan {
  /** What is checked of each pack, as `packText` has it. */
  readonly frames: ReadonlyMap<string, readonly FrameInfo[]>;
  /** Of the source's packs. */
  readonly lengths: ReadonlyMap<string, number>;
  readonly missing: readonly PackName[];
  readonly options: TransferOptions;
}

export class PackCopy {
  doneBytes = 0;
  readonly #compute: Env['compute'];
  readonly #source: ObjectStore;
  readonly #target: ObjectStore;
  readonly #plan: PackCopyPlan;

  constructor(env: Pick<Env, 'compute'>, source: ObjectStore, target: ObjectStore, plan: PackCopyPlan) {
    this.#compute = env.compute;
    this.#source = source;
    this.#target = target;
    this.#plan = plan;
  }

  async run(): Promise<void> {
    const { missing, lengths, options } = this.#plan;
    const totalBytes = missing.reduce((sum, pack) => sum + (lengths.get(packText(pack)) ?? 0), 0);
    await inParallel(
      missing,
      Math.floor(RANGES_AT_ONCE / 2),
      async (pack, signal) => {
        const bytes = await this.#read(pack, { signal });
        await this.#target.putIfAbsent(packKey(pack), bytes, { signal });
        this.doneBytes += bytes.byteLength;
        const { doneBytes } = this;
        options.onProgress?.({ item: 'packs', doneBytes, totalBytes, movedBytes: doneBytes });
      },
      options.signal,
    );
  }

  /** A whole pack, of which everything was checked that the package needs. */
  async #read(pack: PackName, options: ActOptions): Promise<Bytes> {
    const damaged = (what: string): KelpieError =>
      new KelpieError(
        'package_corrupt',
        `pack ${packText(pack)} of ${this.#source.url} ${what}: nothing of it was copied.`,
      );
    const length = this.#plan.lengths.get(packText(pack));
    if (length === undefined) throw damaged('is not there any more');
    if (length > PACK_BYTES_MAX) throw damaged('is too long');
    const object = await this.#source.get(packKey(pack), options);
    if (object === null) throw damaged('is not there any more');
    checkPackHeader(object.bytes, pack);
    for (const { number, offset, storedBytes, sha256 } of this.#plan.frames.get(packText(pack)) ?? []) {
      const frame = object.bytes.subarray(offset, offset + storedBytes);
      if (frame.byteLength !== storedBytes || this.#compute.sha256(frame) !== sha256)
        throw damaged(`is damaged in frame ${number}`);
    }
    return object.bytes;
  }
}
