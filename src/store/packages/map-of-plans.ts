import { at } from '../../snapshot/mapped-runs.ts';
import { NO_FRAME } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';
import { StoreMapBuilder } from './store-map-builder.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';

/** A plan, and what its frames are. */
export interface PlacedPlan {
  readonly plan: PagePlan;
  readonly frameAt: (frame: number) => FrameInfo;
}

/** The map of what two plans have frames for; no page is in both. */
export function mapOfPlans(pageCount: number, a: PlacedPlan, b: PlacedPlan): StoreMap {
  const builder = new StoreMapBuilder(pageCount);
  const [left, right] = [new PlanCursor(a, builder), new PlanCursor(b, builder)];
  while (Math.min(left.firstPage, right.firstPage) !== Infinity)
    (left.firstPage < right.firstPage ? left : right).append();
  return builder.finish();
}

/** Goes from one stretch with a frame to the next. */
class PlanCursor {
  readonly #placed: PlacedPlan;
  readonly #builder: StoreMapBuilder;
  /** What the builder calls a frame of the plan. */
  readonly #names = new Map<number, number>();
  #index = -1;

  constructor(placed: PlacedPlan, builder: StoreMapBuilder) {
    this.#placed = placed;
    this.#builder = builder;
    this.#advance();
  }

  /** `Infinity` after the last. */
  get firstPage(): number {
    return this.#placed.plan.columns.first[this.#index] ?? Infinity;
  }

  append(): void {
    const { count, frame, framePage } = this.#placed.plan.columns;
    const name = this.#nameOf(at(frame, this.#index));
    this.#builder.append(this.firstPage, at(count, this.#index), name, at(framePage, this.#index));
    this.#advance();
  }

  #advance(): void {
    const { frame } = this.#placed.plan.columns;
    do this.#index += 1;
    while (frame[this.#index] === NO_FRAME);
  }

  #nameOf(frame: number): number {
    const known = this.#names.get(frame);
    if (known !== undefined) return known;
    const name = this.#builder.frame(this.#placed.frameAt(frame));
    this.#names.set(frame, name);
    return name;
  }
}
