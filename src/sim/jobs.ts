/** What a campaign asks of its workers, one JSON document a line, and what they answer. */
import { z } from 'zod';
import { planSchema } from './plan.ts';
import type { Plan } from './plan.ts';
import type { FaultCount } from './faults.ts';
import type { CallMade } from './call-watch.ts';
import { traceSchema } from './trace.ts';
import type { Trace } from './trace.ts';

/** One run. */
export interface Job {
  readonly id: number;
  readonly plan: Plan;
  /** What the answer has beside the outcome. Errors have stacks then. */
  readonly wants: readonly ('plan' | 'logs' | 'trace' | 'calls')[];
  /** Oracles that nobody listens to: what escapes without them is what they are for. */
  readonly silenced?: readonly string[];
}

export interface Answer {
  readonly id: number;
  readonly seed: number;
  readonly violation: { readonly oracle: string; readonly what: string } | null;
  readonly hash: string;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly faults: Readonly<Record<string, FaultCount>>;
  readonly sometimes: Readonly<Record<string, number>>;
  readonly isAimHit: boolean;
  readonly plan: Plan | null;
  /** By site. */
  readonly logs: Readonly<Record<string, string>>;
  readonly trace: Trace | null;
  readonly calls: readonly CallMade[];
}

const jobSchema: z.ZodType<Job> = z.object({
  id: z.int(),
  plan: planSchema,
  wants: z.array(z.enum(['plan', 'logs', 'trace', 'calls'])),
  silenced: z.exactOptional(z.array(z.string())),
});

const answerSchema: z.ZodType<Answer> = z.object({
  id: z.int(),
  seed: z.int(),
  violation: z.object({ oracle: z.string(), what: z.string() }).nullable(),
  hash: z.string(),
  steps: z.int(),
  simulatedMs: z.number(),
  faults: z.record(z.string(), z.object({ offered: z.int(), injected: z.int(), effective: z.int() })),
  sometimes: z.record(z.string(), z.int()),
  isAimHit: z.boolean(),
  plan: planSchema.nullable(),
  logs: z.record(z.string(), z.string()),
  trace: traceSchema.nullable(),
  calls: z.array(
    z.object({ actor: z.string(), site: z.string(), call: z.int(), place: z.string(), commands: z.int() }),
  ),
});

export function parseJob(line: string): Job {
  return jobSchema.parse(JSON.parse(line));
}

export function parseAnswer(line: string): Answer {
  return answerSchema.parse(JSON.parse(line));
}
