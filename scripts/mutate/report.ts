import type { Mutant } from './mutants.ts';
import type { Outcomes } from './outcomes.ts';

/** Survivors, and the score of each file and of all. */
export function report(mutants: readonly Mutant[], outcomes: Outcomes): string {
  const lines: string[] = [];
  const scores: string[] = [];
  const all = { killed: 0, tried: 0 };
  for (const [file, own] of Map.groupBy(mutants, (mutant) => mutant.file)) {
    const tried = own.filter(({ index }) => outcomes.of(file, index) !== undefined);
    const survivors = tried.filter(({ index }) => outcomes.of(file, index) === null);
    for (const { line, kind, was } of survivors) lines.push(`${file}:${line} ${kind}: ${was}`);
    const killed = tried.length - survivors.length;
    all.killed += killed;
    all.tried += tried.length;
    scores.push(
      `| ${file} | ${own.length} | ${tried.length} | ${killed} | ${percent(killed, tried.length)} |`,
    );
  }
  scores.push(
    `| all | ${mutants.length} | ${all.tried} | ${all.killed} | ${percent(all.killed, all.tried)} |`,
  );
  return [
    'survivors:',
    ...lines,
    '',
    '| file | mutants | tried | killed | score |',
    '|---|---|---|---|---|',
    ...scores,
  ].join('\n');
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '' : `${((100 * part) / whole).toFixed(1)} %`;
}
