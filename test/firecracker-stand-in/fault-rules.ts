/** Rules of what goes wrong, as a test writes them (`faults.ts`). */
import { z } from 'zod';

/**
 * refuse   the answer is a fault with `message` and `status`; nothing was done
 * delay    `ms` go by
 * hang     nothing more comes, to this request or a later one
 * drop     the connection ends without an answer
 * cut      half of the answer is sent, then the connection ends
 * garbage  bytes that are not HTTP are the answer
 * die      the process is killed
 */
export type FaultAct = (typeof acts)[number];
const acts = ['refuse', 'delay', 'hang', 'drop', 'cut', 'garbage', 'die'] as const;

export interface FaultRule {
  readonly on: string;
  readonly do: FaultAct;
  /** Before anything is done (default), or when it was done and the answer is due. */
  readonly when: 'before' | 'after';
  /** Only the n-th of the calls that `on` names, from 1, counted while the file names it; all of them when absent. */
  readonly nth?: number | undefined;
  readonly ms: number;
  readonly message: string;
  readonly status: number;
}

const ruleSchema: z.ZodType<FaultRule> = z.strictObject({
  on: z.string(),
  do: z.enum(acts),
  when: z.enum(['before', 'after']).default('before'),
  nth: z.int().positive().optional(),
  ms: z.int().nonnegative().default(1000),
  message: z.string().default('The stand-in was told to refuse.'),
  status: z.int().min(400).max(599).default(400),
});

/** @throws Error when they are not as above: the test is wrong. */
export function parseRules(value: unknown): readonly FaultRule[] {
  return z.array(ruleSchema).parse(value);
}
