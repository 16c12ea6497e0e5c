import { KelpieError } from '../base/errors.ts';

/**
 * One operation at a time per VM (or per name, while a VM of that name is made). The second is refused, with what the first is: waiting
 * would hide from people what is going on.
 */
export class VmLocks {
  readonly #held = new Map<string, string>();

  /** What is under way; null when nothing is. */
  busy(key: string): string | null {
    return this.#held.get(key) ?? null;
  }

  get count(): number {
    return this.#held.size;
  }

  /** Keeps the key until `release`. @throws KelpieError `vm_busy`. */
  acquire(key: string, label: string): void {
    const operation = this.#held.get(key);
    if (operation !== undefined) {
      throw new KelpieError(
        'vm_busy',
        `cannot ${label} now: ${operation} is under way; try again when it has ended.`,
        { data: { operation } },
      );
    }
    this.#held.set(key, label);
  }

  /** All of them or none. @throws as `acquire`. */
  acquireAll(keys: readonly string[], label: string): void {
    const taken: string[] = [];
    try {
      for (const key of keys) {
        this.acquire(key, label);
        taken.push(key);
      }
    } catch (error) {
      for (const key of taken) this.release(key);
      throw error;
    }
  }

  /** Says what keeps it now. */
  relabel(key: string, label: string): void {
    this.#held.set(key, label);
  }

  release(key: string): void {
    this.#held.delete(key);
  }
}
