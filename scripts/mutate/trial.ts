/** What the process that tries mutants is asked, and what it answers. */
import { z } from 'zod';

/** A test, and the mutants that it meets. */
export interface Trial {
  readonly name: string;
  readonly met: readonly number[];
  /** Null: it fails without any mutant. */
  readonly durationMs: number | null;
}

export type Question =
  /** Loads tests. `forced` is in force meanwhile, for mutants of what runs then. */
  | {
      readonly kind: 'load';
      readonly files: readonly string[];
      readonly forced: number | null;
      readonly covers: boolean;
    }
  /** `isFresh`: nothing was tried before in this process, so whatever fails does so for this mutant. */
  | {
      readonly kind: 'try';
      readonly mutant: number;
      readonly tests: readonly { readonly name: string; readonly durationMs: number }[];
      readonly isFresh: boolean;
    };

export type Answer =
  | { readonly kind: 'loaded'; readonly trials: readonly Trial[] }
  | { readonly kind: 'tried'; readonly killedBy: string | null };

const trial = z.object({
  name: z.string(),
  met: z.array(z.int()),
  durationMs: z.number().nullable(),
});
export const answerSchema: z.ZodType<Answer> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('loaded'), trials: z.array(trial) }),
  z.object({ kind: z.literal('tried'), killedBy: z.string().nullable() }),
]);

/** What the tests of each file meet, of what has that digest. */
export type KeptTrials = Record<string, { readonly digest: string; readonly trials: readonly Trial[] }>;
export const keptTrialsSchema: z.ZodType<KeptTrials> = z.record(
  z.string(),
  z.object({ digest: z.string(), trials: z.array(trial) }),
);
