/**
 * What keeps a publisher and a sweep (`collect.ts`) apart, with nothing but objects that appear and go, and no clock:
 *
 *     publisher                                    sweep
 *     put pins/SESSION, naming old packs           put sweeps/RUN/condemned, naming packs that nobody names
 *     list sweeps/*: which are condemned?          list pins/*, then packages/*: which are named after all?
 *     list packs: which are there?                 delete the others
 *     … send what is new, put packages/ID          remove sweeps/RUN/condemned
 *     remove pins/SESSION
 *
 * Both write before they look, so of a publisher and a sweep that want the same pack at least one sees the other: the publisher sends its
 * pages again, or the sweep lets it be. A publisher removes its pin after its manifest is there, and a sweep looks at pins before manifests, so
 * that it sees one of the two. A pin keeps all packs of its own session as well, which are put after it.
 */
import type { Bytes } from '../../base/bytes.ts';
import { canceledError } from '../../base/cancel.ts';
import { KelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { formatDurationMs } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import { listAll } from '../objects/list-all.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { PIN_REMOVE_MS_MAX, PUBLISH_MS_MAX, REQUESTS_AT_ONCE } from './limits.ts';
import { condemnedPacks } from './condemned-packs.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { encodePin, pinKey } from './pin.ts';

export interface PinRequest {
  /** Of the publish; never used before. */
  readonly session: string;
  readonly hostName: string;
  /** Packs of earlier sessions that the package may refer to. */
  readonly packs: readonly PackName[];
}

/** A publish under way. It ends with `remove`, also when it failed. */
export class PublishPin {
  /** Of the packs that were asked for, those that are there and stay until `remove`, as `packText` has them, and their lengths. */
  readonly kept: ReadonlyMap<string, number>;
  /** Packs of the store that may go at any moment, there or not: none of these names may be written now. */
  readonly condemned: ReadonlySet<string>;
  readonly #objects: ObjectStore;
  readonly #clock: Env['clock'];
  readonly #key: string;
  #mayComeLate = false;
  readonly #started: { readonly wallMs: number; readonly monotonicMs: number };

  private constructor(
    env: Pick<Env, 'clock'>,
    objects: ObjectStore,
    key: string,
    started: { readonly wallMs: number; readonly monotonicMs: number },
    { kept, condemned }: Pick<PublishPin, 'kept' | 'condemned'>,
  ) {
    this.#clock = env.clock;
    this.#objects = objects;
    this.#key = key;
    this.#started = started;
    this.kept = kept;
    this.condemned = condemned;
  }

  /** Before the first pack of the session is put. @throws StoreTrouble; then no pin is left where the store still answers. */
  static async put(
    env: Pick<Env, 'clock'>,
    objects: ObjectStore,
    { session, hostName, packs }: PinRequest,
    options: ActOptions = {},
  ): Promise<PublishPin> {
    const { clock } = env;
    const started = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
    const key = pinKey(session);
    const startedAtUnixMs = Math.floor(started.wallMs);
    const bytes = encodePin({ hostName, packs, startedAtUnixMs });
    try {
      await objects.put(key, bytes, options);
      return new PublishPin(env, objects, key, started, await lookAround(objects, packs, options));
    } catch (error) {
      // The failure is what matters; a pin that cannot be removed expires.
      await Promise.allSettled([objects.delete(key)]);
      throw options.signal?.aborted === true ? canceledError(options.signal, 'publishing') : error;
    }
  }

  /**
   * Right before the manifest is put: nothing that the package refers to can have been removed.
   * @throws KelpieError `timeout` when the publish has taken so long that a sweep may take it for dead.
   */
  requireLive(): void {
    const elapsedMs = Math.max(
      this.#clock.monotonicMs() - this.#started.monotonicMs,
      // Of a machine that slept only this one may have gone on.
      this.#clock.wallMs() - this.#started.wallMs,
    );
    if (elapsedMs < PUBLISH_MS_MAX) return;
    const message = `publishing has taken more than ${formatDurationMs(PUBLISH_MS_MAX)}: publish again; what was sent is found.`;
    throw new KelpieError('timeout', message);
  }

  /**
   * Puts the manifest: what is published from now on needs the pin no more.
   * @throws KelpieError `timeout`, the signal's reason; StoreTrouble.
   */
  async putManifest(key: string, bytes: Bytes, options: ActOptions = {}): Promise<void> {
    this.requireLive();
    options.signal?.throwIfAborted();
    this.#mayComeLate = true;
    // Whether it was there already: the id names its bytes.
    await this.#objects.putIfAbsent(key, bytes, options);
    this.#mayComeLate = false;
  }

  /** `remove`, of which nothing is told: a pin that cannot be removed in this time expires, as one does that stays. */
  async removeInTime(): Promise<void> {
    const late = new AbortController();
    const done = new AbortController();
    const timer = this.#clock.sleep(PIN_REMOVE_MS_MAX, done.signal).then(() => late.abort());
    await Promise.allSettled([this.remove({ signal: late.signal })]);
    done.abort();
    await Promise.allSettled([timer]);
  }

  /** Once the manifest is there, or will surely not come. While that is not known the pin stays, and expires. */
  async remove(options: ActOptions = {}): Promise<void> {
    if (!this.#mayComeLate) await this.#objects.delete(this.#key, options);
  }
}

/** After the pin is there, and in this order: what a sweep has removed since is not there any more. */
async function lookAround(
  objects: ObjectStore,
  packs: readonly PackName[],
  options: ActOptions,
): Promise<Pick<PublishPin, 'kept' | 'condemned'>> {
  if (packs.length === 0) return { kept: new Map(), condemned: new Set() };
  const condemned = await condemnedPacks(objects, options);
  const there = await findPacks(objects, packs, options);
  return { kept: new Map([...there].filter(([name]) => !condemned.has(name))), condemned };
}

/** Which of `packs` the store has, and their lengths. */
export async function findPacks(
  objects: Pick<ObjectStore, 'list'>,
  packs: readonly PackName[],
  options: ActOptions = {},
): Promise<ReadonlyMap<string, number>> {
  const wanted = new Set(packs.map(packText));
  const found = new Map<string, number>();
  await inParallel(
    new Set(packs.map((pack) => pack.session)),
    REQUESTS_AT_ONCE,
    async (session, signal) => {
      for await (const { key, sizeBytes } of listAll(objects, `packs/${session}/`, { signal })) {
        const name = key.slice('packs/'.length);
        if (wanted.has(name)) found.set(name, sizeBytes);
      }
    },
    options.signal,
  );
  return found;
}
