/**
 * One publish:
 *
 *     plan ──▶ pin the older packs ──▶ choose those that are there ──▶ send what is new ──▶ manifest ──▶ remove the pin
 *                                                                         │ packs durable, and written down in the place book
 *                                                                         └── fails, canceled: nothing runs on, nothing is visible; what is
 *                                                                             durable is found by the next publish
 */
import { canceledError, throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError } from '../../base/errors.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import { attemptLocally } from '../../snapshot/local-failure.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { chooseFrames, withoutFrames } from './choose-packs.ts';
import type { PackageSource, TeleportPackage, TransferOptions } from '../teleport-storage.ts';
import { sealManifest } from './manifest.ts';
import { describePackage } from './open-package.ts';
import { packageKey } from './package-key.ts';
import { packText } from './pack-name.ts';
import { PIN_REMOVE_MS_MAX } from './limits.ts';
import { planUpload, packsToPin } from './plan-upload.ts';
import type { UploadPlan } from './plan-upload.ts';
import { PublishPin } from './publish-pin.ts';
import { sendPackage } from './send-package.ts';
import type { PackageSealing } from './sealing.ts';

export type UploadEnv = Pick<Env, 'clock' | 'compute' | 'files' | 'random'>;

export interface UploadStore {
  readonly objects: ObjectStore;
  readonly sealing: PackageSealing;
  /** Who publishes, for people. */
  readonly hostName: string;
}

/**
 * `TeleportStorage.upload`, in a store that has its root.
 * @throws as that says.
 */
export async function uploadPackage(
  env: UploadEnv,
  store: UploadStore,
  source: PackageSource,
  options: TransferOptions = {},
): Promise<TeleportPackage> {
  requireSizes(source);
  const session = store.sealing.newSession(env.random);
  try {
    return await attemptLocally('publish the snapshot', async () => {
      const plan = await planUpload(env, store, source, options);
      const request = { session, hostName: store.hostName, packs: packsToPin(plan) };
      const pin = await PublishPin.put(env, store.objects, request, options);
      try {
        return await publish(env, store, { plan, pin, session, source, options });
      } finally {
        await removePin(env, pin);
      }
    });
  } catch (error) {
    throw options.signal?.aborted === true ? canceledError(options.signal, 'publishing the package') : error;
  }
}

interface Publish {
  readonly plan: UploadPlan;
  readonly pin: PublishPin;
  readonly session: string;
  readonly source: PackageSource;
  readonly options: TransferOptions;
}

async function publish(env: UploadEnv, store: UploadStore, publishing: Publish): Promise<TeleportPackage> {
  const { plan, pin, source, session, options } = publishing;
  const sent = await sendPackage(env, store, { plan: chosen(plan, pin), session, source, options });
  throwIfCanceled(options.signal, 'publishing the package');
  const { id, bytes, manifest } = sealManifest(env.compute, store.sealing, sent);
  await pin.putManifest(packageKey(id), bytes, options);
  return describePackage(id, manifest);
}

/** The plan, with what the pin keeps of the older packs and is worth it. */
function chosen(plan: UploadPlan, { kept }: PublishPin): UploadPlan {
  const { candidates, memory, disk, image } = plan;
  const isChosen = chooseFrames(candidates, [memory.plan, disk.plan], kept);
  const imagePacks = image?.packs.map((pack) => kept.get(packText(pack)) ?? null) ?? [null];
  const isImageThere = !imagePacks.includes(null);
  return {
    candidates,
    memory: {
      ...memory,
      plan: withoutFrames(memory.plan, isChosen),
      equal: withoutFrames(memory.equal, isChosen),
    },
    disk: { ...disk, plan: withoutFrames(disk.plan, isChosen), equal: withoutFrames(disk.equal, isChosen) },
    image: isImageThere ? image : null,
    imageBytes: isImageThere ? imagePacks.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0) : 0,
  };
}

/** A map of another size than its VM is refused by whoever restores it. */
function requireSizes({ metadata, memory, disk }: PackageSource): void {
  const { memoryMib, diskMib } = metadata.config;
  const isRight =
    memory.map.pageCount * PAGE_BYTES === memoryMib * MIB &&
    disk.map.pageCount * PAGE_BYTES === diskMib * MIB;
  if (isRight) return;
  const message = 'cannot publish the snapshot: its memory or its disk is of another size than the VM’s.';
  throw new KelpieError('snapshot_corrupt', message);
}

/** A pin that cannot be removed in this time expires, as one does that stays since it is not known whether the manifest will come. */
async function removePin({ clock }: Pick<Env, 'clock'>, pin: PublishPin): Promise<void> {
  const late = new AbortController();
  const done = new AbortController();
  const timer = clock.sleep(PIN_REMOVE_MS_MAX, done.signal).then(() => late.abort());
  await Promise.allSettled([pin.remove({ signal: late.signal })]);
  done.abort();
  await Promise.allSettled([timer]);
}
