/**
 * Actors that share a store, one request at a time, in an order that a seed draws. Each request waits for its turn; the next turn comes when it was
 * answered and whatever its actor does with the answer is done.
 */
import assert from 'node:assert/strict';
import { defined } from '../../src/base/assert.ts';
import { Prng } from '../../src/sim/prng.ts';
import type { Act, ObjectStore } from '../../src/store/objects/object-store.ts';
import { wrapObjects } from '../../src/store/objects/wrappers/wrap-objects.ts';

/** How likely a turn is an actor's last for a while, in a run with ranks: about three times in a run. */
const DEMOTIONS_PER_TURN = 0.03;
/** Actors are short; more turns mean that one does not end. */
const TURNS_MAX = 5000;

interface Waiting {
  readonly actor: string;
  readonly act: Act;
  readonly go: () => void;
}

export class Interleaving {
  readonly random: Prng;
  readonly #failures: unknown[] = [];
  readonly #killed = new Set<string>();
  readonly #stickiness: number;
  readonly #hasRanks: boolean;
  readonly #ranks = new Map<string, number>();
  #demotions = 1;
  #waiting: Waiting[] = [];
  #last = '';

  constructor(seed: number) {
    this.random = Prng.fromSeed(seed);
    this.#stickiness = this.random.below(4) / 4;
    this.#hasRanks = this.random.chance(0.5);
  }

  /** Begins an actor with its own view of the store. What it throws fails the run. */
  begin(actor: string, objects: ObjectStore, act: (objects: ObjectStore) => Promise<void>): void {
    const gated = wrapObjects(objects, async ({ act: name }, run) => {
      await new Promise<void>((go) => {
        this.#waiting.push({ actor, act: name, go });
      });
      return await run();
    });
    act(gated).catch((error: unknown) => void this.#failures.push(error));
  }

  /** As by `kill -9`: none of the actor's requests is done any more. */
  kill(actor: string): void {
    this.#killed.add(actor);
  }

  #draw(): Waiting {
    const next = this.#hasRanks ? this.#highest() : this.#random();
    this.#waiting = this.#waiting.filter((one) => one !== next);
    this.#last = next.actor;
    // In a run with ranks few others come in between, but at any moment: that finds what takes two or three of them.
    if (this.random.chance(DEMOTIONS_PER_TURN)) {
      this.#ranks.set(next.actor, -this.#demotions);
      this.#demotions += 1;
    }
    return next;
  }

  /** By lot, or, in some runs more often than in others, whoever went last. */
  #random(): Waiting {
    const same = this.#waiting.filter(({ actor }) => actor === this.#last);
    const from = same.length > 0 && this.random.chance(this.#stickiness) ? same : this.#waiting;
    return defined(from[this.random.below(from.length)], 'one that waits');
  }

  /** Whoever has the highest rank, which is drawn once and falls below all others now and then. */
  #highest(): Waiting {
    for (const { actor } of this.#waiting)
      if (!this.#ranks.has(actor)) this.#ranks.set(actor, 1 + this.random.below(1000));
    const rankOf = ({ actor }: Waiting): number => this.#ranks.get(actor) ?? 0;
    return this.#waiting.reduce((best, one) => (rankOf(one) > rankOf(best) ? one : best));
  }

  /** Until nobody waits. @param afterTurn looks at the world; runs after each request. */
  async run(afterTurn: (act: Act) => Promise<void>): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      assert.ok(turn < TURNS_MAX, 'the actors come to an end');
      await new Promise(setImmediate);
      this.#waiting = this.#waiting.filter(({ actor }) => !this.#killed.has(actor));
      if (this.#failures.length > 0) throw this.#failures[0];
      if (this.#waiting.length === 0) return;
      const next = this.#draw();
      next.go();
      await new Promise(setImmediate);
      await afterTurn(next.act);
    }
  }
}
