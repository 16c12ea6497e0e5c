/** What became of mutants: kept between runs, so that one goes on where the last stopped. What was tried of a file that has changed is tried again. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { KeptJson } from './kept-json.ts';

/** By whom it was killed: a test, `late` when it hung; null: it survived. */
export type Outcome = string | null;

const schema = z.record(
  z.string(),
  z.object({ digest: z.string(), outcomes: z.record(z.string(), z.string().nullable()) }),
);
const kept = new KeptJson(join(import.meta.dirname, '../../.cache/mutants.json'), schema);

export class Outcomes {
  readonly #files: z.infer<typeof schema>;

  private constructor(files: z.infer<typeof schema>) {
    this.#files = files;
  }

  static async read(): Promise<Outcomes> {
    return new Outcomes((await kept.read()) ?? {});
  }

  /** Forgets what was tried of the file when it was another one. */
  begin(file: string, text: string): void {
    const digest = createHash('sha256').update(text).digest('hex');
    if (this.#files[file]?.digest !== digest) this.#files[file] = { digest, outcomes: {} };
  }

  /** @param index of the mutant in its file. Undefined: not tried yet. */
  of(file: string, index: number): Outcome | undefined {
    return this.#files[file]?.outcomes[index];
  }

  async set(file: string, index: number, outcome: Outcome): Promise<void> {
    const known = this.#files[file];
    if (known !== undefined) known.outcomes[index] = outcome;
    await kept.write(this.#files);
  }
}
