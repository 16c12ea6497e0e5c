import { assert, defined } from '../../base/assert.ts';

const CAPACITY_START = 1024;

/** A list of whole numbers below 2³² that grows at its end: four bytes each, where an array of objects takes a hundred. */
export class Uint32Column {
  #values = new Uint32Array(CAPACITY_START);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const values = new Uint32Array(this.#values.length * 2);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  at(index: number): number {
    assert(index < this.#length, 'the entry is in the column');
    return defined(this.#values[index], 'an entry');
  }

  last(): number {
    return this.at(this.#length - 1);
  }

  setLast(value: number): void {
    assert(this.#length > 0, 'the column has a last entry');
    this.#values[this.#length - 1] = value;
  }

  /** The entries so far, from `start` on; the column may go on. */
  finish(start = 0): Uint32Array {
    return this.#values.slice(start, this.#length);
  }
}
