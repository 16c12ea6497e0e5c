/** What became of mutants: kept between runs, so that one goes on where the last stopped. What was tried of a file that has changed is tried again. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** By whom it was killed: a test, `late` when it hung; null: it survived. */
export type Outcome = string | null;

const path = join(import.meta.dirname, '../../.cache/mutants.json');
const schema = z.record(
  z.string(),
  z.object({ digest: z.string(), outcomes: z.record(z.string(), z.string().nullable()) }),
);

export class Outcomes {
  readonly #files: z.infer<typeof schema>;

  private constructor(files: z.infer<typeof schema>) {
    this.#files = files;
  }

  static async read(): Promise<Outcomes> {
    try {
      return new Outcomes(schema.parse(JSON.parse(await readFile(path, 'utf8'))));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Outcomes({});
      throw error;
    }
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
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, JSON.stringify(this.#files));
    await rename(`${path}.new`, path);
  }
}
