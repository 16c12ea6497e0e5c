/**
 * One publish:
 *
 *     plan ──▶ pin the older packs ──▶ choose those that are there ──▶ send what is new ──▶ manifest ──▶ remove the pin
 *                                                                         │ packs durable, and written down in the place book
 *                                                                         └── fails, canceled: nothing runs on, nothing is visible; what is
 *                                                                             durable is found by the next publish
 */
import { defined } from '../../base/assert.ts';
import { canceledError, throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError } from '../../base/errors.ts';
import { PAGE_BYTES, formatBytes } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import { attemptLocally } from '../../snapshot/local-failure.ts';
import { pageCountsOf } from '../../snapshot/page-counts.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { chooseFrames, withoutFrames } from './choose-packs.ts';
import type { PackageSource, TeleportPackage, TransferOptions } from '../teleport-storage.ts';
import { hintedBytes } from './image-hint.ts';
import { sealManifest } from './manifest.ts';
import { describePackage } from './open-package.ts';
import { packageKey } from './package-key.ts';
import { packText } from './pack-name.ts';
import { FRAME_PAGES, PACKS_MAX, PACKS_SPARE_MAX, PACK_FRAMES_MAX } from './limits.ts';
import { NO_FRAME, unplacedPages } from './page-plan.ts';
import { planUpload, packsToPin } from './plan-upload.ts';
import type { UploadPlan } from './plan-upload.ts';
import { PublishPin } from './publish-pin.ts';
import { sendPackage } from './send-package.ts';
import type { PackageSealing } from './sealing.ts';

const PACK_PAGES = FRAME_PAGES * PACK_FRAMES_MAX;

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
        await pin.removeInTime();
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
  const toSend = chosen(plan, pin);
  requireRoom(toSend);
  const sent = await sendPackage(env, store, { plan: toSend, session, source, options });
  throwIfCanceled(options.signal, 'publishing the package');
  const { id, bytes, manifest } = sealManifest(env.compute, store.sealing, sent);
  await pin.putManifest(packageKey(id), bytes, options);
  return describePackage(id, manifest);
}

/** The plan, with what the pin keeps of the older packs and is worth it. */
function chosen(plan: UploadPlan, { kept }: PublishPin): UploadPlan {
  const { candidates, memory, disk, image } = plan;
  const isChosen = chooseFrames(candidates, [memory.plan, disk.plan], kept);
  const imageBytes = image === null ? null : hintedBytes(image, kept);
  return {
    candidates,
    memory: {
      ...memory,
      plan: withoutFrames(memory.plan, isChosen),
      equal: withoutFrames(memory.equal, isChosen),
    },
    disk: { ...disk, plan: withoutFrames(disk.plan, isChosen), equal: withoutFrames(disk.equal, isChosen) },
    image: imageBytes === null ? null : image,
    imageBytes: imageBytes ?? 0,
  };
}

/** What has too many packs is refused before it is sent, not after. */
function requireRoom({ candidates, memory, disk }: UploadPlan): void {
  const pages = unplacedPages(memory.plan) + unplacedPages(disk.plan);
  const others = new Set<string>();
  for (const { plan } of [memory, disk])
    for (const index of new Set(plan.columns.frame))
      if (index !== NO_FRAME) others.add(packText(defined(candidates.frames[index], 'a candidate').pack));
  // The spare ones are for streams.
  if (Math.ceil(pages / PACK_PAGES) + others.size > PACKS_MAX - PACKS_SPARE_MAX) throw tooMuchData();
}

/** Of a package that cannot name all its packs. */
export function tooMuchData(): KelpieError {
  const sizeMax = formatBytes((PACKS_MAX - PACKS_SPARE_MAX) * PACK_PAGES * PAGE_BYTES);
  return new KelpieError(
    'limit_exceeded',
    `cannot publish the snapshot: memory and disk have more than ${sizeMax} of data.`,
  );
}

/** A map of another size than its VM is refused by whoever restores it. */
function requireSizes({ metadata, memory, disk }: PackageSource): void {
  const pages = pageCountsOf(metadata);
  if (memory.map.pageCount === pages.memory && disk.map.pageCount === pages.disk) return;
  const message = 'cannot publish the snapshot: its memory or its disk is of another size than the VM’s.';
  throw new KelpieError('snapshot_corrupt', message);
}
