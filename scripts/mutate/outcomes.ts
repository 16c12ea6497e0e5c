/** What became of mutants: kept between runs, so that one goes on where the last stopped. What was tried of a file that has changed is tried again. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { root } from '../run-node.ts';
import { KeptJson } from './kept-json.ts';

export type Outcome =
  /** By a test, `late` when it hung, `ended` when it took the process with it. */
  | { readonly kind: 'killed'; readonly by: string }
  /** A tool does not let it through (`refused.ts`): it counts neither as killed nor as tried. */
  | { readonly kind: 'refused'; readonly by: string }
  | { readonly kind: 'survived' };

const outcomeSchema: z.ZodType<Outcome> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('killed'), by: z.string() }),
  z.object({ kind: z.literal('refused'), by: z.string() }),
  z.object({ kind: z.literal('survived') }),
]);
const schema = z.record(
  z.string(),
  z.object({ digest: z.string(), isJudged: z.boolean(), outcomes: z.record(z.string(), outcomeSchema) }),
);
const kept = new KeptJson(join(root, '.cache/mutants.json'), schema);

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
    if (this.#files[file]?.digest !== digest) this.#files[file] = { digest, isJudged: false, outcomes: {} };
  }

  /** Nobody has said yet which of the file's are refused. */
  isUnjudged(file: string): boolean {
    return this.#files[file]?.isJudged !== true;
  }

  /** @param index of the mutant in its file. Undefined: not tried yet. */
  of(file: string, index: number): Outcome | undefined {
    return this.#files[file]?.outcomes[index];
  }

  async set(file: string, index: number, outcome: Outcome): Promise<void> {
    this.#note(file, index, outcome);
    await kept.write(this.#files);
  }

  /** Says of files which of their mutants are refused. */
  async judge(files: Iterable<string>, refused: readonly Refusal[]): Promise<void> {
    for (const file of files) {
      const known = this.#files[file];
      if (known !== undefined) known.isJudged = true;
    }
    for (const { file, index, by } of refused) this.#note(file, index, { kind: 'refused', by });
    await kept.write(this.#files);
  }

  #note(file: string, index: number, outcome: Outcome): void {
    const known = this.#files[file];
    if (known !== undefined) known.outcomes[index] = outcome;
  }
}

export interface Refusal {
  readonly file: string;
  readonly index: number;
  readonly by: string;
}
