/** Who does what: drawn as it comes, or as a plan says; and what came of it, for a plan. */
import { assert } from '../../base/assert.ts';
import { Prng } from '../prng.ts';
import { siteNames } from '../plan.ts';
import type { Plan, PlannedAct, SiteName } from '../plan.ts';

const THINK_MS_MAX = 1500;
/** After a command whose end nobody waits for: most are done in less than a second. */
const LEFT_THINK_MS_MAX = 300;
const LEFT_THINK_MS_MAX_RUSHED = 60;

export class Script {
  /** What was done, in the order of its beginnings. */
  readonly taken: PlannedAct[] = [];
  readonly #given: ReadonlyMap<SiteName, PlannedAct[]> | null;
  readonly #randoms: ReadonlyMap<SiteName, Prng>;
  readonly #leftThinkMsMax: number;
  #actsLeft: number;
  /** Where the command before goes on while the person thinks. */
  readonly #isLeft = new Set<SiteName>();
  /** What was given to a person who may have gone with their machine's power before they began: whoever comes next does it. */
  readonly #undecided = new Map<SiteName, PlannedAct>();

  constructor({ seed, acts, isRushed }: Plan) {
    this.#leftThinkMsMax = isRushed ? LEFT_THINK_MS_MAX_RUSHED : LEFT_THINK_MS_MAX;
    const isOpen = typeof acts === 'number';
    this.#actsLeft = isOpen ? acts : acts.filter(({ name }) => name !== 'none').length;
    this.#given = isOpen
      ? null
      : new Map(siteNames.map((site) => [site, acts.filter((act) => act.site === site)]));
    this.#randoms = new Map(siteNames.map((site) => [site, Prng.named(seed, `person ${site}`)]));
  }

  /** Commands that were begun. */
  get begun(): number {
    return this.taken.filter(({ name }) => name !== 'none').length;
  }

  /** No more commands begin. */
  get isOver(): boolean {
    return this.#actsLeft === 0;
  }

  /** What the person at a site does next; `choose` is asked for it after the person has thought, if the plan leaves it open. Null when they are done. */
  next(site: SiteName): Turn | null {
    const planned = this.#undecided.get(site) ?? this.#given?.get(site)?.shift();
    if (this.#given === null ? this.isOver : planned === undefined) return null;
    // In the plan that a run gives back, such a turn has nothing to do.
    if (planned !== undefined && planned.name !== 'none') this.#undecided.set(site, planned);
    const random = this.#randoms.get(site);
    assert(random !== undefined, 'there is a person at each site');
    const thinkMsMax = this.#isLeft.has(site) ? this.#leftThinkMsMax : THINK_MS_MAX;
    const thinkMs = planned?.thinkMs ?? random.fraction() * thinkMsMax;
    const index =
      this.taken.push({ site, thinkMs, name: 'none', vm: null, isBold: false, isLeft: false }) - 1;
    return {
      thinkMs,
      decide: (choose) => {
        if (this.isOver) return null;
        this.#undecided.delete(site);
        const act = planned ?? { ...choose(random), site, thinkMs };
        this.taken[index] = act;
        if (act.isLeft) this.#isLeft.add(site);
        else this.#isLeft.delete(site);
        if (act.name !== 'none') this.#actsLeft -= 1;
        return act;
      },
    };
  }
}

/** What a person decides. */
export type Decision = Pick<PlannedAct, 'name' | 'vm' | 'isBold' | 'isLeft'>;

export interface Turn {
  readonly thinkMs: number;
  /** Null when it came to be over meanwhile. */
  readonly decide: (choose: (random: Prng) => Decision) => PlannedAct | null;
}
