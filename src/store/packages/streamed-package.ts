/**
 * A publish of what comes once and in order: a file that is imported, a package of another store.
 *
 *     begin ──▶ image, unless it is there ──▶ device state ──▶ memory ──▶ disk ──▶ seal: all durable ──▶ publish: manifest
 *       └ pin         └───────────────┴──────────────┴──────────┴─────────┴─ abandon: nothing is seen; packs are the sweep's
 *
 * Nothing on this host has the pages, so there is no place book, and nothing to go on from when it is cut.
 */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canceledError, throwIfCanceled } from '../../base/cancel.ts';
import { KelpieError } from '../../base/errors.ts';
import { TaskGroup } from '../../base/task-group.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { FRAME_BYTES_MAX } from '../../env/compute.ts';
import type { Env } from '../../env/env.ts';
import { attemptLocally } from '../../snapshot/local-failure.ts';
import { pageCountsOf } from '../../snapshot/page-counts.ts';
import type { PageBatch } from '../../snapshot/page-reader.ts';
import type { PackageWriter, StreamedSource, TeleportPackage, TransferOptions } from '../teleport-storage.ts';
import { FrameWriter } from './frame-writer.ts';
import { hintedBytes, readImageHint } from './image-hint.ts';
import type { ImageHint } from './image-hint.ts';
import { PACKS_MAX, PACKS_SPARE_MAX } from './limits.ts';
import type { PackagedFile } from './manifest-body.ts';
import { sealManifest } from './manifest.ts';
import { mapOfPlans } from './map-of-plans.ts';
import { describePackage } from './open-package.ts';
import type { Paged } from './open-package.ts';
import { packageContents, sendMaps } from './package-contents.ts';
import { packageKey } from './package-key.ts';
import { PagePlanBuilder } from './page-plan.ts';
import { PublishPin } from './publish-pin.ts';
import { sendImage } from './send-image.ts';
import { StreamInTheMaking } from './send-stream.ts';
import type { SentStream, StreamSender } from './send-stream.ts';
import type { StoreMap } from './store-map.ts';
import { tooMuchData } from './upload-package.ts';
import type { UploadStore } from './upload-package.ts';
import { UploadProgress } from './upload-progress.ts';

const ACT = 'publishing the package';

interface ThereImage {
  readonly hint: ImageHint;
  readonly bytes: number;
}

interface SealedManifest {
  readonly id: string;
  readonly bytes: Bytes;
}

export type StreamEnv = Pick<Env, 'clock' | 'compute' | 'random'>;

export class StreamedPackage implements PackageWriter {
  readonly #env: StreamEnv;
  readonly #store: UploadStore;
  readonly #source: StreamedSource;
  readonly #options: TransferOptions;
  readonly #session: string;
  readonly #pin: PublishPin;
  readonly #group: TaskGroup;
  readonly #sender: StreamSender;
  readonly #there: ThereImage | null;
  readonly #plans = { memory: new PagePlanBuilder([]), disk: new PagePlanBuilder([]) };
  #imageFiles: readonly PackagedFile[] = [];
  #state: StreamInTheMaking | null = null;
  #sentState: SentStream | null = null;
  #paged: Paged = 'memory';
  #frame: Bytes;
  /** Bytes at the start of the frame. */
  #filled = 0;
  #sealed: SealedManifest | null = null;

  private constructor(
    env: StreamEnv,
    store: UploadStore,
    source: StreamedSource,
    options: TransferOptions,
    { session, pin, there }: { session: string; pin: PublishPin; there: ThereImage | null },
  ) {
    this.#env = env;
    this.#store = store;
    this.#source = source;
    this.#options = options;
    this.#session = session;
    this.#pin = pin;
    this.#there = there;
    this.#group = new TaskGroup(options.signal);
    this.#frame = env.compute.frameBuffer();
    const { objects, sealing } = store;
    const writer = new FrameWriter(env, {
      ...{ objects, sealing, session, group: this.#group },
      onDurable: async () => undefined,
    });
    this.#sender = { compute: env.compute, writer, signal: this.#group.signal };
  }

  /** `TeleportStorage.write`, in a store that has its root. @throws as that says; then nothing of it is left. */
  static async begin(
    env: StreamEnv,
    store: UploadStore,
    source: StreamedSource,
    options: TransferOptions = {},
  ): Promise<StreamedPackage> {
    const hint = await readImageHint(env.compute, store, source.image, options);
    const session = store.sealing.newSession(env.random);
    const request = { session, hostName: store.hostName, packs: hint?.packs ?? [] };
    const pin = await PublishPin.put(env, store.objects, request, options);
    const bytes = hint === null ? null : hintedBytes(hint, pin.kept);
    const there = hint === null || bytes === null ? null : { hint, bytes };
    const begun = new StreamedPackage(env, store, source, options, { session, pin, there });
    try {
      await begun.#sendImage();
      return begun;
    } catch (error) {
      throw await begun.abandon(error);
    }
  }

  async deviceState(bytes: Bytes): Promise<void> {
    assert(this.#sentState === null, 'the device state comes first');
    await this.#stream().write(bytes);
  }

  async pages(paged: Paged, { extents, bytes }: PageBatch): Promise<void> {
    throwIfCanceled(this.#options.signal, ACT);
    this.#endState();
    if (paged !== this.#paged) await this.#endFrame();
    this.#paged = paged;
    let read = 0;
    for (const { offset, length } of extents) {
      for (let done = 0; done < length;) {
        const part = Math.min(length - done, FRAME_BYTES_MAX - this.#filled);
        this.#frame.set(bytes.subarray(read, read + part), this.#filled);
        this.#place(paged, offset + done, part);
        this.#filled += part;
        done += part;
        read += part;
        if (this.#filled === FRAME_BYTES_MAX) await this.#endFrame();
      }
    }
  }

  async seal(): Promise<TeleportPackage> {
    assert(this.#sealed === null, 'a package is sealed once');
    const deviceState = this.#endState();
    await this.#endFrame();
    const { writer } = this.#sender;
    await writer.packed();
    const maps = { memory: this.#mapOf('memory'), disk: this.#mapOf('disk') };
    const streams = await sendMaps(this.#sender, this.#env.compute, maps, deviceState);
    await writer.flush();
    await this.#group.end();
    const contents = packageContents(writer, this.#session, {
      parts: { ...streams, imageFiles: this.#imageFiles, metadata: this.#source.metadata },
      ...{ maps, parentId: null },
      imagePacks: this.#there?.hint.packs ?? [],
      imageBytes: this.#there?.bytes ?? 0,
    });
    const { id, bytes, manifest } = sealManifest(this.#env.compute, this.#store.sealing, contents);
    this.#sealed = { id, bytes };
    return describePackage(id, manifest);
  }

  async publish(): Promise<void> {
    assert(this.#sealed !== null, 'a package is sealed before it is published');
    const { id, bytes } = this.#sealed;
    throwIfCanceled(this.#options.signal, ACT);
    await this.#pin.putManifest(packageKey(id), bytes, this.#options);
    await this.#pin.removeInTime();
  }

  async abandon(cause: unknown): Promise<unknown> {
    const failure = await this.#group.abandon(cause);
    await this.#pin.removeInTime();
    const { signal } = this.#options;
    return signal?.aborted === true ? canceledError(signal, ACT) : failure;
  }

  async #sendImage(): Promise<void> {
    const { objects, sealing } = this.#store;
    const progress = new UploadProgress(this.#options.onProgress, () => this.#sender.writer.storedBytes);
    this.#imageFiles =
      this.#there?.hint.files ??
      (await attemptLocally('publish the image', () =>
        sendImage(
          { ...this.#sender, compute: this.#env.compute, objects, sealing, progress },
          this.#source.image,
        ),
      ));
  }

  #stream(): StreamInTheMaking {
    const wrongLength = (): Error =>
      new KelpieError(
        'snapshot_corrupt',
        'cannot publish the device state: it has another length than it should have.',
      );
    const { deviceStateBytes: sizeBytes } = this.#source;
    return (this.#state ??= new StreamInTheMaking(this.#sender, { sizeBytes, wrongLength }));
  }

  #endState(): SentStream {
    return (this.#sentState ??= this.#stream().end());
  }

  /** Notes where the bytes that are put next to the frame will be. */
  #place(paged: Paged, offset: number, length: number): void {
    const { writer } = this.#sender;
    if (writer.packs.length > PACKS_MAX - PACKS_SPARE_MAX) throw tooMuchData();
    const plan = this.#plans[paged];
    // There is no file of this host: its columns mean nothing.
    plan.append(offset / PAGE_BYTES, length / PAGE_BYTES, 0, 0);
    plan.place(writer.nextFrame, this.#filled / PAGE_BYTES);
  }

  async #endFrame(): Promise<void> {
    if (this.#filled === 0) return;
    const isFull = this.#filled === FRAME_BYTES_MAX;
    const raw = isFull ? this.#frame : this.#frame.slice(0, this.#filled);
    if (isFull) this.#frame = this.#env.compute.frameBuffer();
    this.#filled = 0;
    await this.#sender.writer.add(raw);
  }

  #mapOf(paged: Paged): StoreMap {
    const { writer } = this.#sender;
    const frameAt = writer.info.bind(writer);
    const none = { plan: new PagePlanBuilder([]).finish(), frameAt };
    return mapOfPlans(
      pageCountsOf(this.#source.metadata)[paged],
      { plan: this.#plans[paged].finish(), frameAt },
      none,
    );
  }
}
