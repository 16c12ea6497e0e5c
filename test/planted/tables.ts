/** The tables of `docs/SIMULATION.md` about planted bugs. */
import { catalogue, plantedBugs } from './catalogue.ts';
import { measurementOf } from './measurements.ts';
import type { Measurement, Measurements } from './measurements.ts';
import { SEEDS_MAX, worldsText } from './planted-bug.ts';
import type { PlantedBug } from './planted-bug.ts';

/** Who found which bugs, of all that were measured. */
export function plantedTables(measurements: Measurements): string {
  return [summary(measurements), ...bugTable(measurements), '', ...oracleTable(measurements)].join('\n');
}

function summary(measurements: Measurements): string {
  const known = plantedBugs.map((bug) => measurementOf(measurements, bug));
  const first = known.map(({ found }) => found[0]?.seed ?? Infinity).toSorted((a, b) => a - b);
  const found = first.filter((seed) => seed < Infinity).length;
  const median = first[Math.floor((first.length - 1) / 2)];
  const missed = known.filter((one) => one.found.length === 0).map(({ seeds }) => seeds);
  const least =
    missed.length === 0
      ? ''
      : `; the others were not in ${Math.min(...missed)} to ${Math.max(...missed)} seeds`;
  return `Of ${plantedBugs.length} planted bugs ${found} were found (${Math.round((100 * found) / plantedBugs.length)} %), half of all by seed ${median}${least}; the budget is ${SEEDS_MAX} seeds.\n`;
}

function bugTable(measurements: Measurements): readonly string[] {
  const rows = [...catalogue].flatMap(([area, bugs]) =>
    bugs.map((bug) => {
      const measured = measurementOf(measurements, bug);
      const [first] = measured.found;
      const cells = [
        area,
        bug.name,
        worldsOf(bug),
        first === undefined ? `**not found** in ${measured.seeds}` : String(first.seed),
        first === undefined ? '' : rateOf(measured),
        tally(measured.found.map(({ oracle }) => oracle)),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  );
  return [
    '| breaks | planted bug | worlds | first seed | seeds that show it | oracles |',
    '|---|---|---|---|---|---|',
    ...rows,
  ];
}

/** Of the default ones: `people`. */
function worldsOf(bug: PlantedBug): string {
  const text = worldsText(bug);
  return text === '' ? 'people' : `\`${text}\``;
}

function rateOf({ seeds, found }: Measurement): string {
  return `${found.length} of ${seeds}`;
}

/** For each oracle: bugs that it found first, and what became of them without it. */
function oracleTable(measurements: Measurements): readonly string[] {
  const seen = new Map<string, { bugs: Set<string>; escaped: Set<string>; others: string[] }>();
  for (const bug of plantedBugs) {
    for (const [oracle, outcomes] of Object.entries(measurementOf(measurements, bug).without)) {
      const row = seen.get(oracle) ?? { bugs: new Set(), escaped: new Set(), others: [] };
      seen.set(oracle, row);
      row.bugs.add(bug.name);
      for (const { oracle: other } of outcomes) {
        if (other === null) row.escaped.add(bug.name);
        else row.others.push(other);
      }
    }
  }
  const rows = [...seen]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([oracle, { bugs, escaped, others }]) => {
      const escapes = escaped.size === 0 ? 'none' : [...escaped].join('; ');
      return `| ${oracle} | ${bugs.size} | ${escapes} | ${tally(others)} |`;
    });
  return [
    '| without the oracle | which found so many bugs | these escape on a seed that showed them | on others these fire in its place |',
    '|---|---|---|---|',
    ...rows,
  ];
}

/** `a 3, b 1`, the most frequent first. */
function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
