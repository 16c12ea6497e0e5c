/** Which packs of a store are needed, and by whom: what a sweep must know before it removes one. */
import { KelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import { isUuid } from '../../base/uuid.ts';
import type { Env } from '../../env/env.ts';
import { listAll } from '../objects/list-all.ts';
import type { ActOptions, ListedObject, ObjectStore } from '../objects/object-store.ts';
import { PACKAGES_MAX, PINS_MAX, PIN_MS_MAX, REQUESTS_AT_ONCE } from './limits.ts';
import { parseEnvelope } from './manifest.ts';
import { PACKAGES_PREFIX, packageIdOf } from './package-key.ts';
import { packText } from './pack-name.ts';
import { PINS_PREFIX, parsePin } from './pin.ts';

export class NeededPacks {
  readonly #env: Pick<Env, 'compute'>;
  readonly #objects: Pick<ObjectStore, 'get' | 'list'>;
  readonly #byPackages = new Set<string>();
  readonly #read = new Set<string>();
  #byPins: ReadonlySet<string> = new Set();
  #pinnedSessions: ReadonlySet<string> = new Set();
  #expiredPins: readonly string[] = [];

  constructor(env: Pick<Env, 'compute'>, objects: Pick<ObjectStore, 'get' | 'list'>) {
    this.#env = env;
    this.#objects = objects;
  }

  /** Manifests that were read, in all looks. */
  get packages(): number {
    return this.#read.size;
  }

  /** Keys of the pins whose publishers are gone. */
  get expiredPins(): readonly string[] {
    return this.#expiredPins;
  }

  has(pack: string): boolean {
    const [session = ''] = pack.split('/');
    return this.#byPackages.has(pack) || this.#byPins.has(pack) || this.#pinnedSessions.has(session);
  }

  /**
   * Looks at pins first and at manifests then (`publish-pin.ts` says why). What a manifest named in an earlier look stays needed, though it may be gone.
   * @param nowMs by the store's clock.
   * @throws KelpieError `package_corrupt`, `package_too_new` when one cannot be read: then nothing is known. StoreTrouble.
   */
  async look(nowMs: number, options: ActOptions = {}): Promise<void> {
    await this.#lookAtPins(nowMs, options);
    await this.#lookAtManifests(options);
  }

  async #lookAtPins(nowMs: number, options: ActOptions): Promise<void> {
    const pins: ListedObject[] = [];
    for await (const pin of listAll(this.#objects, PINS_PREFIX, options)) {
      if (pins.length === PINS_MAX)
        throw new KelpieError(
          'limit_exceeded',
          `the store has more than ${PINS_MAX} pins of publishes: remove them.`,
        );
      pins.push(pin);
    }
    const isLive = ({ modifiedMs }: ListedObject): boolean => nowMs - modifiedMs < PIN_MS_MAX;
    const packs = new Set<string>();
    const sessions = new Set<string>();
    await inParallel(
      pins.filter(isLive),
      REQUESTS_AT_ONCE,
      async ({ key }, signal) => {
        const session = key.slice(PINS_PREFIX.length);
        if (isUuid(session)) sessions.add(session);
        const object = await this.#objects.get(key, { signal });
        // A pin that is gone by now: its manifest is there, or never will be.
        if (object !== null) for (const pack of parsePin(object.bytes, key).packs) packs.add(packText(pack));
      },
      options.signal,
    );
    this.#byPins = packs;
    this.#pinnedSessions = sessions;
    this.#expiredPins = pins.filter((pin) => !isLive(pin)).map(({ key }) => key);
  }

  async #lookAtManifests(options: ActOptions): Promise<void> {
    const ids: string[] = [];
    for await (const { key } of listAll(this.#objects, PACKAGES_PREFIX, options)) {
      const id = packageIdOf(key);
      if (id !== null && !this.#read.has(id)) ids.push(id);
      if (ids.length > PACKAGES_MAX)
        throw new KelpieError(
          'limit_exceeded',
          `the store has more than ${PACKAGES_MAX} packages: remove some.`,
        );
    }
    await inParallel(
      ids,
      REQUESTS_AT_ONCE,
      async (id, signal) => await this.#readPacks(id, { signal }),
      options.signal,
    );
  }

  async #readPacks(id: string, options: ActOptions): Promise<void> {
    const object = await this.#objects.get(`${PACKAGES_PREFIX}${id}`, options);
    // It was removed since it was listed: it needs nothing any more.
    if (object === null) return;
    for (const pack of parseEnvelope(this.#env.compute, id, object.bytes).packs)
      this.#byPackages.add(packText(pack));
    this.#read.add(id);
  }
}
