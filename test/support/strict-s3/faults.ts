/** What goes wrong in the strict server, on purpose. */

export interface Refused {
  readonly status: number;
  readonly code: string;
}

export type Fault =
  /** Refused; nothing is done. */
  | ({ readonly kind: 'refuse' } & Refused)
  /** Done, but the answer is this one. */
  | ({ readonly kind: 'refuse-after' } & Refused)
  /** Done, and the connection drops instead of an answer. */
  | { readonly kind: 'lose-answer' }
  /** As `lose-answer`; a copy of the request arrives again after so many others. */
  | { readonly kind: 'late-copy'; readonly afterRequests: number }
  /** The answer's body breaks off half-way. */
  | { readonly kind: 'cut-body' }
  /** Half of the body, with a length that says so is all. */
  | { readonly kind: 'short-body' }
  /** Status 200 with an error document. */
  | { readonly kind: 'error-in-200' }
  /** The listing as it was before the last change. */
  | { readonly kind: 'stale-list' }
  /** Other bytes of the same length. */
  | { readonly kind: 'damage' }
  /** No answer for as long as the client waits. */
  | { readonly kind: 'silence' };

export interface FaultRule {
  readonly method: string;
  /** Of path and query. */
  readonly path?: RegExp;
  /** Matching requests to let through first; default 0. */
  readonly after?: number;
  /** Matching requests to hit after those; default 1. */
  readonly count?: number;
  readonly fault: Fault;
}

export class Faults {
  rules: readonly FaultRule[] = [];
  /** How many requests were hit: a test that injects a fault asserts that it did. */
  injected = 0;
  readonly #seen = new Map<FaultRule, number>();

  next(method: string, path: string): Fault | null {
    for (const rule of this.rules) {
      if (rule.method !== method || rule.path?.test(path) === false) continue;
      const earlier = this.#seen.get(rule) ?? 0;
      this.#seen.set(rule, earlier + 1);
      const first = rule.after ?? 0;
      if (earlier < first || earlier >= first + (rule.count ?? 1)) continue;
      this.injected += 1;
      return rule.fault;
    }
    return null;
  }
}
