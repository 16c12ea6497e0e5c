import { isEquivalent } from './equivalents.ts';
import type { Mutant } from './mutants.ts';
import type { Outcomes } from './outcomes.ts';

/** Survivors, and the score of each file and of all: of what was tried, the part that was killed. What is refused or equivalent was not tried. */
export function report(mutants: readonly Mutant[], outcomes: Outcomes): string {
  const survivors: string[] = [];
  const rows: string[] = [];
  const all: Count = { mutants: 0, refused: 0, equivalent: 0, tried: 0, killed: 0 };
  for (const [file, own] of Map.groupBy(mutants, (mutant) => mutant.file)) {
    const count: Count = { mutants: own.length, refused: 0, equivalent: 0, tried: 0, killed: 0 };
    for (const mutant of own) {
      const outcome = outcomes.of(file, mutant.index);
      if (outcome?.kind === 'refused') count.refused += 1;
      else if (isEquivalent(mutant)) count.equivalent += 1;
      else if (outcome !== undefined) {
        count.tried += 1;
        if (outcome.kind === 'killed') count.killed += 1;
        else survivors.push(`${file}:${mutant.line} ${mutant.kind}: ${mutant.was}`);
      }
    }
    rows.push(rowOf(file, count));
    for (const key of keys) all[key] += count[key];
  }
  return [
    'survivors:',
    ...survivors,
    '',
    '| file | mutants | refused | equivalent | tried | killed | score |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    rowOf('all', all),
  ].join('\n');
}

const keys = ['mutants', 'refused', 'equivalent', 'tried', 'killed'] as const;
type Count = Record<(typeof keys)[number], number>;

function rowOf(name: string, count: Count): string {
  const score = count.tried === 0 ? '' : `${((100 * count.killed) / count.tried).toFixed(1)} %`;
  return `| ${[name, ...keys.map((key) => count[key]), score].join(' | ')} |`;
}
