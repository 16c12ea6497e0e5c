import { createHash } from 'node:crypto';
import type { Mutant } from './mutants.ts';

/** Mixes them, so that a run that is cut has tried some of each kind and file. What is elsewhere in its file does not change a mutant's place among the others. */
export function scatter(mutants: readonly Mutant[]): readonly Mutant[] {
  const seen = new Map<string, number>();
  const placed = mutants.map((mutant) => {
    const text = `${mutant.file} ${mutant.kind} ${mutant.was}`;
    const count = (seen.get(text) ?? 0) + 1;
    seen.set(text, count);
    return { mutant, place: createHash('sha256').update(`${text} ${count}`).digest('hex') };
  });
  return placed.toSorted((a, b) => (a.place < b.place ? -1 : 1)).map(({ mutant }) => mutant);
}
