/** What a run leaves behind to be looked at. */
import { z } from 'zod';

/** A bound for long runs: what comes later is cut, and the trace says so. */
const EVENTS_MAX = 20_000;

const toldKinds = ['person', 'process', 'guest', 'message', 'record', 'fault', 'oracle'] as const;

/** Something that a person who looks at a run wants to see. */
export interface Told {
  readonly kind: (typeof toldKinds)[number];
  readonly text: string;
  /** Whose column it belongs to: a process's label, a machine, a person, `store`. */
  readonly lane: string;
  /** Of a message: where it goes. */
  readonly to: string | null;
}

export type Tell = (told: Told) => void;

export interface TraceEvent extends Told {
  readonly atMs: number;
}

export interface Trace {
  readonly events: readonly TraceEvent[];
  readonly isCut: boolean;
}

export const traceSchema: z.ZodType<Trace> = z.object({
  events: z.array(
    z.object({
      atMs: z.number(),
      kind: z.enum(toldKinds),
      lane: z.string(),
      text: z.string(),
      to: z.string().nullable(),
    }),
  ),
  isCut: z.boolean(),
});

export class Tracer {
  readonly #events: TraceEvent[] = [];
  /** How often the last event came in a row. */
  #times = 1;
  #isCut = false;

  add(event: TraceEvent): void {
    const last = this.#events.at(-1);
    const isAgain = last?.kind === event.kind && last.lane === event.lane && last.to === event.to;
    if (isAgain && event.text === textOf(last, this.#times)) {
      this.#times += 1;
      this.#events[this.#events.length - 1] = { ...event, text: `${event.text} ×${this.#times}` };
    } else if (this.#events.length < EVENTS_MAX || event.kind === 'oracle') {
      this.#times = 1;
      this.#events.push(event);
    } else this.#isCut = true;
  }

  get trace(): Trace {
    return { events: this.#events, isCut: this.#isCut };
  }
}

/** What was said so often. */
function textOf({ text }: TraceEvent, times: number): string {
  return times === 1 ? text : text.slice(0, text.lastIndexOf(' ×'));
}
