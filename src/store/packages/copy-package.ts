/**
 * A package from one store to another:
 *
 *     the stores have the same keys, or none ──▶ the packs that the other lacks, as they are stored, then the manifest: the same package
 *     they have others ──▶ opened, and sealed for the other: another package of the same snapshot (`reseal-package.ts`)
 *
 * A place that is no store yet becomes one with the keys of the source; by the word that decrypts, a plain one.
 *
 * The first is a publish like any other (`publish-pin.ts`), but under names that were used before, so it keeps away from what a sweep is removing.
 */
import { canceledError } from '../../base/cancel.ts';
import { KelpieError, isKelpieError } from '../../base/errors.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { isStoreTrouble } from '../objects/store-trouble.ts';
import type { TransferOptions } from '../teleport-storage.ts';
import { PackCopy } from './copy-packs.ts';
import { matchKeys } from './matching-keys.ts';
import type { KeysOfTwo } from './matching-keys.ts';
import { parseEnvelope } from './manifest.ts';
import { openPackage, readManifest } from './open-package.ts';
import type { StoredPackage } from './open-package.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { framesByPack, framesOf } from './package-frames.ts';
import { packageKey } from './package-key.ts';
import { PublishPin, findPacks } from './publish-pin.ts';
import { findSameSnapshot, resealPackage } from './reseal-package.ts';
import { requirePublisher } from './sealing.ts';
import type { PackageSealing } from './sealing.ts';
import { readStoreRoot } from './store-root.ts';
import type { FrameInfo } from './store-map.ts';
import type { StreamEnv } from './streamed-package.ts';
import type { UploadStore } from './upload-package.ts';

export interface CopySource {
  readonly objects: ObjectStore;
  readonly sealing: PackageSealing;
}

export interface CopyOptions extends TransferOptions {
  /** Also out of an encrypted store into a plain one, or one that is made so, where whoever reads the store reads the package. */
  readonly mayDecrypt?: boolean;
}

export interface CopyReport {
  /** In the target: another one when it was sealed for that. */
  readonly packageId: string;
  readonly copiedPacks: number;
  readonly copiedBytes: number;
  /** Packs that the target had already. */
  readonly presentPacks: number;
  /** Whether what was copied was checked: not when it is sealed for others. */
  readonly isChecked: boolean;
  /** Whether it was opened and sealed again, or not sealed any more. */
  readonly isResealed: boolean;
  /** Public keys of who signed the package, and the one in the target; null when nobody did, or this host cannot say. */
  readonly wasSignedBy: string | null;
  readonly signedBy: string | null;
  /** What the target was made, when it was no store before; else null. */
  readonly madeStore: 'encrypted' | 'plain' | null;
}

type Copied = Omit<CopyReport, 'madeStore'>;

/**
 * Every frame is checked on its way, so that damage does not spread; of a package that this host cannot open, the names of packs alone. Packs that the target lacks are sent also when it has the manifest: so
 * a damaged package is repaired from a whole one.
 * @throws KelpieError `package_not_found`, `package_corrupt`, `permission_denied`; `usage` for what may not be decrypted;
 * `store_conflict` while the target is swept; `canceled`; StoreTrouble.
 */
export async function copyPackage(
  env: StreamEnv,
  source: CopySource,
  target: UploadStore,
  packageId: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const act: ActOptions = options.signal === undefined ? {} : { signal: options.signal };
  const copying = { source, target, packageId, options, act };
  const readable = await ifReadable(env, source, packageId, act);
  const makesPlain = options.mayDecrypt === true;
  if (makesPlain && readable === null) await requireStore(env, copying);
  const keys = await matchKeys(env, source.objects, target.objects, { ...act, makesPlain });
  try {
    const copied = keys.areSame
      ? await copyAsItIs(env, copying, readable)
      : await copyResealed(env, copying, readable, keys);
    const made = keys.isTargetEncrypted ? 'encrypted' : 'plain';
    return { ...copied, madeStore: keys.isTargetNew ? made : null };
  } catch (error) {
    throw options.signal?.aborted === true ? canceledError(options.signal, 'copying the package') : error;
  }
}

interface Copying {
  readonly source: CopySource;
  readonly target: UploadStore;
  readonly packageId: string;
  readonly options: CopyOptions;
  readonly act: ActOptions;
}

async function copyAsItIs(
  env: StreamEnv,
  { source, target, packageId, options, act }: Copying,
  readable: Readable | null,
): Promise<Copied> {
  const manifest = await readManifest(source.objects, packageId, act);
  const { packs } = parseEnvelope(env.compute, packageId, manifest);
  const lengths = await findPacks(source.objects, packs, act);
  const request = { session: env.random.uuid(), hostName: target.hostName, packs };
  const pin = await PublishPin.put(env, target.objects, request, act);
  try {
    const missing = packs.filter((pack) => !pin.kept.has(packText(pack)));
    requireUncondemned(target.objects.url, pin, missing);
    const copy = new PackCopy(env, source.objects, target.objects, {
      frames: readable?.frames ?? new Map(),
      lengths,
      missing,
      options,
    });
    await copy.run();
    await pin.putManifest(packageKey(packageId), manifest, act);
    const signedBy = readable?.opened.package.signedBy ?? null;
    return {
      packageId,
      ...{
        copiedPacks: missing.length,
        copiedBytes: copy.doneBytes,
        presentPacks: packs.length - missing.length,
      },
      ...{ isChecked: readable !== null, isResealed: false, signedBy, wasSignedBy: signedBy },
    };
  } finally {
    // What has come of the copy is known; a pin that cannot be removed expires.
    await Promise.allSettled([pin.remove()]);
  }
}

async function copyResealed(
  env: StreamEnv,
  copying: Copying,
  readable: Readable | null,
  keys: KeysOfTwo,
): Promise<Copied> {
  const { source, target, packageId, options, act } = copying;
  requireMaySeal(copying, keys);
  // One that could not be opened says again why.
  const opened = readable?.opened ?? (await openPackage(env, source, packageId, act));
  const wasSignedBy = opened.package.signedBy;
  const there = await findSameSnapshot(env, target, opened.package, act);
  const copied = there ?? (await resealPackage(env, opened, target, options));
  const { packs, ownPacks } = (await openPackage(env, target, copied.id, act)).manifest;
  const copiedPacks = there === null ? ownPacks : 0;
  return {
    packageId: copied.id,
    copiedPacks,
    copiedBytes: there === null ? copied.sizes.ownBytes : 0,
    presentPacks: packs.length - copiedPacks,
    ...{ isChecked: true, isResealed: true, wasSignedBy, signedBy: copied.signedBy },
  };
}

/** A place is not made a plain store for a package that cannot be opened for it. @throws KelpieError `permission_denied`, why it cannot. */
async function requireStore(env: StreamEnv, { source, target, packageId, act }: Copying): Promise<void> {
  if ((await readStoreRoot(target.objects, act)) === null) await openPackage(env, source, packageId, act);
}

function requireMaySeal(
  { source, target, options: { mayDecrypt = false } }: Copying,
  { isSourceEncrypted, isTargetEncrypted }: KeysOfTwo,
): void {
  const [from, to] = [source.objects.url, target.objects.url];
  if (isSourceEncrypted && !isTargetEncrypted && !mayDecrypt) {
    const message = `${from} is encrypted and ${to} is not: whoever reads ${to} could read the package; say --decrypt if that is wanted.`;
    throw new KelpieError('usage', message);
  }
  if (target.sealing.isEncrypted !== isTargetEncrypted) {
    const message = `the store ${to} was made or changed just now: try again.`;
    throw new KelpieError('store_conflict', message);
  }
  requirePublisher(target.sealing);
}

/** What this host knows of a package that it can open. */
interface Readable {
  readonly opened: StoredPackage;
  readonly frames: ReadonlyMap<string, readonly FrameInfo[]>;
}

/** Null for a package that is sealed for others, or not signed by whom this host trusts: it is not restored here. */
async function ifReadable(
  env: StreamEnv,
  source: CopySource,
  packageId: string,
  options: ActOptions,
): Promise<Readable | null> {
  try {
    const opened = await openPackage(env, source, packageId, options);
    return { opened, frames: framesByPack(await framesOf(env, opened, options)) };
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
