import { KelpieError } from '../base/errors.ts';

/** What must be done to leave nothing behind, in the order in which it was made. */
export class Undo {
  readonly #steps: (() => Promise<void>)[] = [];

  /** To be done when the work fails; the last one first. */
  onFailure(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<readonly unknown[]> {
    const failures: unknown[] = [];
    for (const step of this.#steps.splice(0).toReversed()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }
}

/** Does the work; when it fails, undoes it and throws its error. Failures to undo go along in the cause. */
export async function orUndo<T>(work: (undo: Undo) => Promise<T>): Promise<T> {
  const undo = new Undo();
  try {
    return await work(undo);
  } catch (error) {
    const failures = await undo.run();
    if (failures.length === 0 || !(error instanceof KelpieError)) throw error;
    throw new KelpieError(error.code, `${error.message} Cleaning up failed as well.`, {
      cause: new AggregateError([error, ...failures]),
      data: error.data,
    });
  }
}
