/**
 * What goes wrong on purpose. A test writes rules to a file, at any time; the file is read again before each request.
 *
 *     [{ "on": "PUT /snapshot/load", "do": "refuse", "message": "…" },
 *      { "on": "PATCH /vm", "do": "delay", "when": "after", "ms": 500, "nth": 2 }]
 *
 * `on` is METHOD and path, `start` (before the socket exists), `vsock` (a connection from the host), or `*` for every request.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
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
  /** Only the n-th of the calls that `on` names, from 1, counted by this process; all of them when absent. */
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

export class Faults {
  readonly #path: string | null;
  readonly #calls = new Map<string, number>();

  constructor(path: string | null) {
    this.#path = path;
  }

  /** Counts a call, and says what shall happen to it. @throws Error when the file is not as above: the test is wrong. */
  take(call: string): CallFaults {
    const rules = this.#path === null ? [] : readRules(this.#path);
    const matching = rules.filter(({ on }) => on === call || (on === '*' && call.includes(' /')));
    const counts = new Map<string, number>();
    for (const { on } of matching) counts.set(on, (this.#calls.get(on) ?? 0) + 1);
    for (const [on, count] of counts) this.#calls.set(on, count);
    return new CallFaults(matching.filter(({ on, nth }) => nth === undefined || nth === counts.get(on)));
  }
}

/** What shall happen to one call. */
export class CallFaults {
  readonly #rules: readonly FaultRule[];

  constructor(rules: readonly FaultRule[]) {
    this.#rules = rules;
  }

  /** Lets delays go by, and hands the first rule that wants more than that back, or null. */
  async meet(when: FaultRule['when'], kill: () => void): Promise<FaultRule | null> {
    for (const rule of this.#rules.filter((each) => each.when === when)) {
      if (rule.do === 'delay') await sleep(rule.ms);
      else if (rule.do === 'die') kill();
      else return rule;
    }
    return null;
  }
}

function readRules(path: string): readonly FaultRule[] {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return z.array(ruleSchema).parse(JSON.parse(content));
}
