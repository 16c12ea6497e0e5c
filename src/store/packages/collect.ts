/**
 * Removes the packs that nobody needs. Safe while others publish, copy and collect, and when it is killed at any request
 * (`publish-pin.ts` draws why):
 *
 *     look: who needs what? ─▶ list packs ─▶ old ones that nobody needs: condemn ─▶ look again ─▶ remove those ─▶ lift the condemnation
 *                                               └─ and what a dead sweep had condemned
 *
 * A sweep that fails leaves its condemnation behind, since its last removals may yet come: publishers do not refer to these packs, and a
 * later sweep takes them over.
 */
import { KelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import type { Env } from '../../env/env.ts';
import { listAll } from '../objects/list-all.ts';
import type { ActOptions, ListedObject, ObjectStore } from '../objects/object-store.ts';
import { CONDEMNED_NAME, SWEEPS_PREFIX, condemnedKey } from './condemned-packs.ts';
import {
  GRACE_MS_DEFAULT,
  PACKS_MAX,
  PIN_MS_MAX,
  REQUESTS_AT_ONCE,
  SWEEP_MS_MAX,
  SWEEP_STALE_MS,
} from './limits.ts';
import { NeededPacks } from './needed-packs.ts';
import { PACKS_PREFIX, packText, parsePackText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { encodePin, parsePin } from './pin.ts';

export type CollectEnv = Pick<Env, 'clock' | 'compute' | 'random'>;

export interface CollectOptions extends ActOptions {
  /** How old a pack must be, by the store's clock, that nobody needs. Default `GRACE_MS_DEFAULT`. */
  readonly graceMs?: number;
  /** Says what would be removed, and changes nothing. */
  readonly isDryRun?: boolean;
  /** For people, beside what is condemned. */
  readonly hostName: string;
  /** Called as packs are removed. */
  readonly onProgress?: (removed: number, total: number) => void;
}

export interface CollectReport {
  readonly packages: number;
  /** All packs that there were. */
  readonly packs: number;
  readonly packBytes: number;
  readonly removedPacks: number;
  readonly removedBytes: number;
  /** Packs that nobody needs and that are younger than the grace period. */
  readonly youngPacks: number;
  readonly youngBytes: number;
  /** What dead publishes and sweeps had left, beside packs. */
  readonly removedLeftovers: number;
}

/** @throws KelpieError `package_corrupt`, `package_too_new` when a manifest or pin cannot be read: then nothing is removed. `store_conflict`, `timeout`; StoreTrouble. */
export async function collectGarbage(
  env: CollectEnv,
  objects: ObjectStore,
  options: CollectOptions,
): Promise<CollectReport> {
  return await new Sweep(env, objects, options).run();
}

class Sweep {
  readonly #env: CollectEnv;
  readonly #objects: ObjectStore;
  readonly #options: CollectOptions;
  readonly #act: ActOptions;
  readonly #needed: NeededPacks;
  readonly #started: { readonly wallMs: number; readonly monotonicMs: number };
  #removed = 0;

  constructor(env: CollectEnv, objects: ObjectStore, options: CollectOptions) {
    this.#env = env;
    this.#objects = objects;
    this.#options = options;
    this.#act = options.signal === undefined ? {} : { signal: options.signal };
    this.#needed = new NeededPacks(env, objects);
    this.#started = { wallMs: env.clock.wallMs(), monotonicMs: env.clock.monotonicMs() };
  }

  async run(): Promise<CollectReport> {
    const { isDryRun = false, graceMs = GRACE_MS_DEFAULT } = this.#options;
    const clock = isDryRun ? null : await this.#putClock();
    const nowMs = clock?.nowMs ?? this.#env.clock.wallMs();
    await this.#needed.look(nowMs, this.#act);
    const leftovers = await this.#leftovers(nowMs);
    const packs = await this.#packs();
    const unneeded = packs.filter(({ name }) => !this.#needed.has(packText(name)));
    const isOld = ({ name, modifiedMs }: StoredPack): boolean =>
      modifiedMs <= nowMs - graceMs || leftovers.condemned.has(packText(name));
    const old = unneeded.filter(isOld);
    const young = unneeded.filter((pack) => !isOld(pack));
    const removed = isDryRun ? old : await this.#sweep(old, nowMs);
    const abortedUploads = clock === null ? 0 : await this.#abortUploads(nowMs);
    if (clock !== null) await this.#remove([...leftovers.keys, clock.key]);
    return {
      packages: this.#needed.packages,
      packs: packs.length,
      packBytes: bytesOf(packs),
      removedPacks: removed.length,
      removedBytes: bytesOf(removed),
      youngPacks: young.length,
      youngBytes: bytesOf(young),
      removedLeftovers: leftovers.keys.length + abortedUploads,
    };
  }

  /** The store's time, by an object of ours: clocks need not agree. */
  async #putClock(): Promise<{ readonly key: string; readonly nowMs: number }> {
    const key = `${SWEEPS_PREFIX}${this.#env.random.uuid()}/clock`;
    await this.#objects.put(key, this.#document([]), this.#act);
    const info = await this.#objects.head(key, this.#act);
    if (info !== null) return { key, nowMs: info.modifiedMs };
    const message = `${this.#objects.url} does not show what was just written to it: check it with \`kelpie doctor --store\`.`;
    throw new KelpieError('store_unavailable', message);
  }

  async #packs(): Promise<readonly StoredPack[]> {
    const packs: StoredPack[] = [];
    for await (const object of listAll(this.#objects, PACKS_PREFIX, this.#act)) {
      const name = parsePackText(object.key.slice(PACKS_PREFIX.length));
      if (name !== null) packs.push({ ...object, name });
    }
    return packs;
  }

  /** What those left behind that are gone for good, and which packs a dead sweep may have been removing. */
  async #leftovers(
    nowMs: number,
  ): Promise<{ readonly keys: readonly string[]; readonly condemned: ReadonlySet<string> }> {
    const keys = [...this.#needed.expiredPins];
    const condemned = new Set<string>();
    for await (const { key, modifiedMs } of listAll(this.#objects, SWEEPS_PREFIX, this.#act)) {
      if (nowMs - modifiedMs < SWEEP_STALE_MS) continue;
      keys.push(key);
      const object = key.endsWith(CONDEMNED_NAME) ? await this.#objects.get(key, this.#act) : null;
      if (object !== null)
        for (const pack of parsePin(object.bytes, key).packs) condemned.add(packText(pack));
    }
    return { keys, condemned };
  }

  /** @returns what was removed. */
  async #sweep(old: readonly StoredPack[], nowMs: number): Promise<readonly StoredPack[]> {
    const removed: StoredPack[] = [];
    for (let start = 0; start < old.length; start += PACKS_MAX) {
      const batch = old.slice(start, start + PACKS_MAX);
      const key = condemnedKey(this.#env.random.uuid());
      const garbage = await this.#condemn(key, batch, nowMs);
      await inParallel(
        garbage,
        REQUESTS_AT_ONCE,
        async (pack, signal) => {
          this.#requireTime();
          await this.#objects.delete(pack.key, { signal });
          removed.push(pack);
          this.#removed += 1;
          this.#options.onProgress?.(this.#removed, old.length);
        },
        this.#options.signal,
      );
      await this.#objects.delete(key, this.#act);
    }
    return removed;
  }

  /** @returns those of the batch that nobody needs, and that no publisher from now on will refer to. */
  async #condemn(key: string, batch: readonly StoredPack[], nowMs: number): Promise<readonly StoredPack[]> {
    try {
      await this.#objects.put(key, this.#document(batch.map(({ name }) => name)), this.#act);
      await this.#needed.look(nowMs, this.#act);
      // Another sweep may have taken us for dead, and lifted it.
      if ((await this.#objects.head(key, this.#act)) === null)
        throw new KelpieError(
          'store_conflict',
          'another sweep of the store has overtaken this one: begin again.',
        );
      return batch.filter(({ name }) => !this.#needed.has(packText(name)));
    } catch (error) {
      // Nothing was removed yet. The failure is what matters; a condemnation that stays is taken over by a later sweep.
      await Promise.allSettled([this.#objects.delete(key)]);
      throw error;
    }
  }

  /** Large objects that were never completed; nobody sees them, but they take space. */
  async #abortUploads(nowMs: number): Promise<number> {
    for (let aborted = 0; ;) {
      const { uploads, isMore } = await this.#objects.listUploads({ ...this.#act, prefix: '' });
      const dead = uploads.filter(({ startedMs }) => nowMs - startedMs >= PIN_MS_MAX);
      for (const upload of dead) await this.#objects.abortUpload(upload, this.#act);
      aborted += dead.length;
      if (!isMore || dead.length === 0) return aborted;
    }
  }

  async #remove(keys: readonly string[]): Promise<void> {
    await inParallel(
      keys,
      REQUESTS_AT_ONCE,
      async (key, signal) => await this.#objects.delete(key, { signal }),
      this.#options.signal,
    );
  }

  #requireTime(): void {
    const { clock } = this.#env;
    const elapsedMs = Math.max(
      clock.monotonicMs() - this.#started.monotonicMs,
      clock.wallMs() - this.#started.wallMs,
    );
    if (elapsedMs < SWEEP_MS_MAX) return;
    throw new KelpieError(
      'timeout',
      'the sweep has taken too long and ends: run it again, it goes on where it stopped.',
    );
  }

  #document(packs: readonly PackName[]): Uint8Array {
    const startedAtUnixMs = Math.floor(this.#env.clock.wallMs());
    return encodePin({ hostName: this.#options.hostName, packs, startedAtUnixMs });
  }
}

interface StoredPack extends ListedObject {
  readonly name: PackName;
}

function bytesOf(packs: readonly StoredPack[]): number {
  return packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
