/** An object store that fails at one act, or from one act on. */
import { StoreTrouble } from '../../src/store/objects/store-trouble.ts';
import type { TroubleKind } from '../../src/store/objects/store-trouble.ts';
import type { Act, ObjectStore } from '../../src/store/objects/object-store.ts';
import { wrapObjects } from '../../src/store/objects/wrappers/wrap-objects.ts';

export interface Fault {
  /** Number of the act that fails, from 1. */
  readonly at: number;
  /** `refused`: it is not done. `lost`: it is done, and its answer is lost. `dead`: it and all later ones are not done; `died`: it is done, the later ones are not. */
  readonly how: 'refused' | 'lost' | 'dead' | 'died';
  readonly kind?: TroubleKind;
}

export class FaultyObjects {
  readonly objects: ObjectStore;
  /** Acts that were begun. */
  acts = 0;
  running = 0;
  /** Called before each act. */
  onAct: (act: Act, number: number) => void = () => undefined;
  readonly #fault: Fault | null;

  constructor(inner: ObjectStore, fault: Fault | null = null) {
    this.#fault = fault;
    this.objects = wrapObjects(inner, async ({ act }, run) => {
      this.acts += 1;
      this.running += 1;
      const number = this.acts;
      try {
        this.onAct(act, number);
        return await this.#run(number, run);
      } finally {
        this.running -= 1;
      }
    });
  }

  get isDead(): boolean {
    const { how, at } = this.#fault ?? { how: 'refused', at: Infinity };
    return (how === 'dead' || how === 'died') && this.acts >= at;
  }

  async #run<T>(number: number, run: () => Promise<T>): Promise<T> {
    const { at, how, kind = 'unavailable' } = this.#fault ?? { at: Infinity, how: 'refused' };
    const isStopped = (how === 'dead' && number >= at) || (how === 'died' && number > at);
    if (isStopped || (number === at && how === 'refused')) throw trouble(kind, false);
    const result = await run();
    if (number === at) throw trouble(kind, true);
    return result;
  }
}

function trouble(kind: TroubleKind, isOutcomeUnknown: boolean): StoreTrouble {
  return new StoreTrouble(kind, 'the store of this test does not answer: it was told not to.', {
    isOutcomeUnknown,
  });
}
