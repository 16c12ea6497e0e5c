import type { Clock } from '../../../env/clock.ts';
import type { Act, ObjectStore } from '../object-store.ts';
import { receivedBytes } from './received-bytes.ts';
import { wrapObjects } from './wrap-objects.ts';

export interface ActFigures {
  requests: number;
  failures: number;
  retries: number;
  sentBytes: number;
  receivedBytes: number;
  /** Sum over the requests, which may have run at the same time. */
  durationMs: number;
}

/** What a store was asked, by act; acts that were not asked are not there. */
export class StoreFigures {
  readonly #byAct = new Map<Act, ActFigures>();

  get byAct(): ReadonlyMap<Act, Readonly<ActFigures>> {
    return this.#byAct;
  }

  of(act: Act): ActFigures {
    const figures = this.#byAct.get(act) ?? {
      requests: 0,
      failures: 0,
      retries: 0,
      sentBytes: 0,
      receivedBytes: 0,
      durationMs: 0,
    };
    this.#byAct.set(act, figures);
    return figures;
  }
}

/** Counts every act into `figures`. Retries are counted by `retrying`, which stands around this. */
export function measured(inner: ObjectStore, clock: Clock, figures: StoreFigures): ObjectStore {
  return wrapObjects(inner, async ({ act, sentBytes }, run) => {
    const counted = figures.of(act);
    const startMs = clock.monotonicMs();
    counted.requests += 1;
    counted.sentBytes += sentBytes;
    try {
      const result = await run();
      counted.receivedBytes += receivedBytes(result);
      return result;
    } catch (error) {
      counted.failures += 1;
      throw error;
    } finally {
      counted.durationMs += clock.monotonicMs() - startMs;
    }
  });
}
