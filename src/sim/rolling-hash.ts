/** What a simulation did, as one number: equal for equal runs, and different from the first step on that differs. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a of a string's code units, 32 bits. */
export function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}

export class RollingHash {
  readonly #words = new Map<string, number>();
  #low = FNV_OFFSET;
  #high: number = ~FNV_OFFSET;

  addWord(word: string): void {
    let hash = this.#words.get(word);
    if (hash === undefined) {
      hash = fnv1a(word);
      this.#words.set(word, hash);
    }
    this.addNumber(hash);
  }

  /** @param value any number; its fraction counts to a thousandth. */
  addNumber(value: number): void {
    const whole = Math.floor(value);
    this.#mix(whole | 0);
    this.#mix(Math.floor((value - whole) * 1000));
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, FNV_PRIME);
    this.#high = Math.imul(this.#high ^ (this.#low >>> 13) ^ word, 0x85ebca6b) ^ (this.#high >>> 16);
  }
}
