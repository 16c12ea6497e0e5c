/**
 * A package from one store to another: the packs that the other lacks, as they are stored, then the manifest. It is a publish like any other
 * (`publish-pin.ts`), but under names that were used before, so it keeps away from what a sweep is removing.
 */
import { z } from 'zod';
import type { Bytes } from '../../base/bytes.ts';
import { canceledError } from '../../base/cancel.ts';
import { KelpieError, isKelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import type { Env } from '../../env/env.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { isStoreTrouble } from '../objects/store-trouble.ts';
import type { TransferOptions } from '../teleport-storage.ts';
import { RANGES_AT_ONCE } from './frame-reader.ts';
import { PACK_BYTES_MAX } from './limits.ts';
import { parseEnvelope } from './manifest.ts';
import { openPackage, readManifest } from './open-package.ts';
import { checkPackHeader } from './pack-header.ts';
import { packKey, packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { framesByPack, framesOf } from './package-frames.ts';
import { packageKey } from './package-key.ts';
import { PublishPin, findPacks } from './publish-pin.ts';
import type { PackageSealing } from './sealing.ts';
import { ensureStoreRoot, readStoreRoot } from './store-root.ts';
import type { StoreKeysJson, StoreRoot } from './store-root.ts';
import type { FrameInfo } from './store-map.ts';

export type CopyEnv = Pick<Env, 'clock' | 'compute' | 'random'>;

export interface CopySource {
  readonly objects: ObjectStore;
  readonly sealing: PackageSealing;
}

export interface CopyTarget {
  readonly objects: ObjectStore;
  /** Who copies, for people. */
  readonly hostName: string;
}

export interface CopyReport {
  readonly copiedPacks: number;
  readonly copiedBytes: number;
  /** Packs that the target had already. */
  readonly presentPacks: number;
  /** Whether what was copied was checked: not when it is sealed for others. */
  readonly isChecked: boolean;
}

/**
 * Every frame is checked on its way, so that damage does not spread; of a package that this host cannot open, the names of packs alone. Packs that the target lacks are sent also when it has the manifest: so
 * a damaged package is repaired from a whole one.
 * @throws KelpieError `package_not_found`, `package_corrupt`, `permission_denied`; `invalid_argument` when the stores have not the same keys;
 * `store_conflict` while the target is swept; `canceled`; StoreTrouble.
 */
export async function copyPackage(
  env: CopyEnv,
  source: CopySource,
  target: CopyTarget,
  packageId: string,
  options: TransferOptions = {},
): Promise<CopyReport> {
  const act: ActOptions = options.signal === undefined ? {} : { signal: options.signal };
  const manifest = await readManifest(source.objects, packageId, act);
  const { packs } = parseEnvelope(env.compute, packageId, manifest);
  const frames = await framesIfReadable(env, source, packageId, act);
  await requireSameKeys(env, source.objects, target.objects, act);
  const lengths = await findPacks(source.objects, packs, act);
  const request = { session: env.random.uuid(), hostName: target.hostName, packs };
  const pin = await PublishPin.put(env, target.objects, request, act);
  try {
    const missing = packs.filter((pack) => !pin.kept.has(packText(pack)));
    requireUncondemned(target.objects.url, pin, missing);
    const copy = new PackCopy(env, source.objects, target.objects, {
      frames: frames ?? new Map(),
      lengths,
      missing,
      options,
    });
    await copy.run();
    await pin.putManifest(packageKey(packageId), manifest, act);
    const presentPacks = packs.length - missing.length;
    const isChecked = frames !== null;
    return { copiedPacks: missing.length, copiedBytes: copy.doneBytes, presentPacks, isChecked };
  } catch (error) {
    throw options.signal?.aborted === true ? canceledError(options.signal, 'copying the package') : error;
  } finally {
    // What has come of the copy is known; a pin that cannot be removed expires.
    await Promise.allSettled([pin.remove()]);
  }
}

/** Null for a package that is sealed for others, or not signed by whom this host trusts: it is not restored here. */
async function framesIfReadable(
  env: CopyEnv,
  source: CopySource,
  packageId: string,
  options: ActOptions,
): Promise<ReadonlyMap<string, readonly FrameInfo[]> | null> {
  try {
    const opened = await openPackage(env, source, packageId, options);
    return framesByPack(await framesOf(env, opened, options));
  } catch (error) {
    if (isKelpieError(error, 'permission_denied') && !isStoreTrouble(error)) return null;
    throw error;
  }
}

/** @throws KelpieError `store_conflict`: the removal of an object of that name may come after ours was written. */
function requireUncondemned(url: string, { condemned }: PublishPin, missing: readonly PackName[]): void {
  if (!missing.some((pack) => condemned.has(packText(pack)))) return;
  const message = `the store ${url} is being swept, and packs of the package with it: copy it again when that has ended.`;
  throw new KelpieError('store_conflict', message);
}

interface PackCopyPlan {
  readonly frames: ReadonlyMap<string, readonly FrameInfo[]>;
  /** Of the source's packs. */
  readonly lengths: ReadonlyMap<string, number>;
  readonly missing: readonly PackName[];
  readonly options: TransferOptions;
}

class PackCopy {
  doneBytes = 0;
  readonly #compute: Env['compute'];
  readonly #source: ObjectStore;
  readonly #target: ObjectStore;
  readonly #plan: PackCopyPlan;

  constructor(env: CopyEnv, source: ObjectStore, target: ObjectStore, plan: PackCopyPlan) {
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

const keyIdsSchema = z.looseObject({ keyIds: z.array(z.string()) });

/** A store that is new becomes one with the keys of the source. @throws KelpieError `invalid_argument`. */
async function requireSameKeys(
  env: CopyEnv,
  source: ObjectStore,
  target: ObjectStore,
  options: ActOptions,
): Promise<void> {
  const from = await readStoreRoot(source, options);
  const keys = from?.keys ?? null;
  const to = await ensureStoreRoot(env, target, keys, options);
  if (keys === null && to.keys === null) return;
  const missing = keyIdsOf(keys).filter((id) => !keyIdsOf(to.keys).includes(id));
  if (keys !== null && to.keys !== null && missing.length === 0) return;
  const told = (one: StoreKeysJson | null): string => (one === null ? 'not encrypted' : 'encrypted');
  const which =
    keys !== null && to.keys !== null
      ? 'they are encrypted with different keys'
      : `${source.url} is ${told(keys)} and ${target.url} is ${told(to.keys)}`;
  const message = `cannot copy between these stores: ${which}; restore the VM from one and teleport it to the other instead.`;
  throw new KelpieError('invalid_argument', message);
}

function keyIdsOf(keys: StoreRoot['keys']): readonly string[] {
  const parsed = keyIdsSchema.safeParse(keys);
  return parsed.success ? parsed.data.keyIds : [];
}
