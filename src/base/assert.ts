/** Our own mistake: an invariant of the program does not hold. Never raised for input. */
export class AssertionFailed extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = 'AssertionFailed';
  }
}

/** States what must be true here. It is for our mistakes only; the world's get a `KelpieError`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailed(message);
}

/** The value, which must be there by the program's own logic. */
export function defined<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionFailed(`${what} is missing`);
  return value;
}
