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
import type { FaultRule } from './fault-rules.ts';

export class Faults {
  readonly #path: string | null;
  readonly #calls = new Map<string, number>();

  constructor(path: string | null) {
    this.#path = path;
  }

  /** Counts a call, and says what shall happen to it. @throws Error when the file is not as above: the test is wrong. */
  async take(call: string): Promise<CallFaults> {
    const rules = this.#path === null ? [] : await readRules(this.#path);
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

async function readRules(path: string): Promise<readonly FaultRule[]> {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  // Loaded with the first rule: most processes never read one.
  const { parseRules } = await import('./fault-rules.ts');
  return parseRules(JSON.parse(content));
}
