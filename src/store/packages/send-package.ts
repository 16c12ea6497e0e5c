/** What of a package is new, into packs; the result is what its manifest says. Everything is durable when this resolves. */
import { defined } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { TaskGroup } from '../../base/task-group.ts';
import type { Env } from '../../env/env.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { PackageSource, TransferOptions } from '../teleport-storage.ts';
import { FrameWriter } from './frame-writer.ts';
import { imageOf } from './image-hint.ts';
import { mapOfPlans } from './map-of-plans.ts';
import { packageContents, sendMaps } from './package-contents.ts';
import type { PackageContents } from './package-contents.ts';
import { PagePlanBuilder, plannedPages, stretchesFrom, unplacedPages } from './page-plan.ts';
import { PlaceRecorder } from './place-recorder.ts';
import { openPages } from './plan-upload.ts';
import type { PagedPlan, UploadPlan } from './plan-upload.ts';
import type { PackageSealing } from './sealing.ts';
import { sendImage } from './send-image.ts';
import { sendPages } from './send-pages.ts';
import { sendStream } from './send-stream.ts';
import type { SentStream, StreamSender } from './send-stream.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';
import { UploadProgress } from './upload-progress.ts';

export type SendEnv = Pick<Env, 'clock' | 'compute' | 'files'>;

export interface SendStore {
  readonly objects: Pick<ObjectStore, 'put' | 'putIfAbsent' | 'url'>;
  readonly sealing: PackageSealing;
}

export interface SendRequest {
  /** Its frames are there, and stay until the manifest is. */
  readonly plan: UploadPlan;
  readonly session: string;
  readonly source: PackageSource;
  readonly options: TransferOptions;
}

/** When this throws, nothing runs any more, and the place book knows what became durable. */
export async function sendPackage(
  env: SendEnv,
  store: SendStore,
  request: SendRequest,
): Promise<PackageContents> {
  const group = new TaskGroup(request.options.signal);
  const recorder = new PlaceRecorder(env.clock, request.source.places, group);
  try {
    return await new PackageSend(env, store, request, { group, recorder }).run();
  } catch (error) {
    const failure = await group.abandon(error);
    // The failure is what matters; what is not written down is sent again.
    await Promise.allSettled([recorder.save()]);
    throw failure;
  }
}

/** One method for each phase, in their order. */
class PackageSend {
  readonly #env: SendEnv;
  readonly #store: SendStore;
  readonly #request: SendRequest;
  readonly #group: TaskGroup;
  readonly #recorder: PlaceRecorder;
  readonly #sender: StreamSender;
  readonly #progress: UploadProgress;

  constructor(
    env: SendEnv,
    store: SendStore,
    request: SendRequest,
    { group, recorder }: { readonly group: TaskGroup; readonly recorder: PlaceRecorder },
  ) {
    this.#env = env;
    this.#store = store;
    this.#request = request;
    this.#group = group;
    this.#recorder = recorder;
    const writer = new FrameWriter(env, {
      ...{ objects: store.objects, sealing: store.sealing, session: request.session, group },
      onDurable: async () => await recorder.moreIsDurable(),
    });
    this.#sender = { compute: env.compute, writer, signal: group.signal };
    this.#progress = new UploadProgress(request.options.onProgress, () => writer.storedBytes);
  }

  async run(): Promise<PackageContents> {
    const { plan, source } = this.#request;
    const { objects, sealing } = this.#store;
    const { writer } = this.#sender;
    const imageSender = {
      ...this.#sender,
      ...{ compute: this.#env.compute, objects, sealing, progress: this.#progress },
    };
    const imageFiles = plan.image?.files ?? (await sendImage(imageSender, imageOf(source)));
    const memory = await this.#sendPages(plan.memory);
    const disk = await this.#sendPages(plan.disk);
    const deviceState = await this.#sendDeviceState();
    await writer.packed();
    const maps = { memory: this.#mapOf(plan.memory, memory), disk: this.#mapOf(plan.disk, disk) };
    const streams = await sendMaps(this.#sender, this.#env.compute, maps, deviceState);
    await writer.flush();
    await this.#group.end();
    await this.#recorder.settle();
    const { session } = this.#request;
    return packageContents(writer, session, {
      parts: { ...streams, imageFiles, metadata: source.metadata },
      maps,
      parentId: source.parentId ?? null,
      imagePacks: plan.image?.packs ?? [],
      imageBytes: plan.imageBytes,
    });
  }

  /** @returns the new pages with the writer's frames. */
  async #sendPages({ paged, pages, plan, equal }: PagedPlan): Promise<PagePlanBuilder> {
    const { candidates } = this.#request.plan;
    const { writer } = this.#sender;
    const sent = new PagePlanBuilder(plan.files);
    this.#recorder.add({
      from: (start) => stretchesFrom(equal, start),
      frameAt: (frame) => at(candidates.frames, frame),
    });
    this.#recorder.add({ from: (start) => sent.finish(start), frameAt: (frame) => writer.durable(frame) });
    const totalPages = plannedPages(plan);
    const onRead = this.#progress.ofPages(paged, totalPages, totalPages - unplacedPages(plan));
    const files = openPages(this.#env, paged, pages);
    try {
      await sendPages({ files, compute: this.#env.compute, writer, onRead }, plan, sent);
    } finally {
      await files.close();
    }
    return sent;
  }

  async #sendDeviceState(): Promise<SentStream> {
    const { deviceState } = this.#request.source;
    const wrongLength = (): Error =>
      new KelpieError(
        'snapshot_corrupt',
        'cannot publish the device state: it has not as many bytes as it should have.',
      );
    const onRead = (doneBytes: number): void =>
      this.#progress.tell('device-state', doneBytes, deviceState.sizeBytes);
    return await sendStream(this.#sender, { ...deviceState, name: 'device-state', wrongLength, onRead });
  }

  #mapOf({ pages, plan }: PagedPlan, sent: PagePlanBuilder): StoreMap {
    const { candidates } = this.#request.plan;
    const { writer } = this.#sender;
    return mapOfPlans(
      pages.map.pageCount,
      { plan, frameAt: (frame) => at(candidates.frames, frame) },
      { plan: sent.finish(), frameAt: (frame) => writer.info(frame) },
    );
  }
}

function at(frames: readonly FrameInfo[], index: number): FrameInfo {
  return defined(frames[index], 'a candidate');
}
