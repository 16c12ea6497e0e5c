/** What a benchmark found: rows for a table and for programs. */

export interface Row {
  readonly name: string;
  /** Median. */
  readonly ours: number;
  /** Median of what ours is compared with in the same run; null when there is nothing to compare with. */
  readonly reference: number | null;
  /** `ours / reference`. */
  readonly ratio: number | null;
  readonly unit: 'ms' | 'MB' | 'requests';
  readonly runs: number;
  /** Least and greatest of ours. */
  readonly min: number;
  readonly max: number;
  /** Least and greatest of the reference. */
  readonly referenceMin: number | null;
  readonly referenceMax: number | null;
  readonly target: Target | null;
  /** Null without a target. */
  readonly isMet: boolean | null;
  /** What was measured, and what else a reader must know; empty when the name says it. */
  readonly note: string;
  readonly samples: readonly number[];
}

/** An upper bound of the median, or of the ratio to the reference. */
export type Target = { readonly of: 'ours' | 'ratio'; readonly atMost: number };

export interface Measured {
  readonly name: string;
  readonly unit: Row['unit'];
  readonly samples: readonly number[];
  readonly reference?: readonly number[];
  readonly target?: Target;
  readonly note?: string;
}

/** @throws RangeError when there are no samples. */
export function rowOf({ name, unit, samples, reference = [], target, note = '' }: Measured): Row {
  const ours = median(samples);
  const referenceMedian = reference.length === 0 ? null : median(reference);
  const ratio = referenceMedian === null ? null : round(ours / referenceMedian, 3);
  const judged = target?.of === 'ratio' ? ratio : ours;
  return {
    name,
    ours,
    reference: referenceMedian,
    ratio,
    unit,
    runs: samples.length,
    min: round(Math.min(...samples)),
    max: round(Math.max(...samples)),
    referenceMin: reference.length === 0 ? null : round(Math.min(...reference)),
    referenceMax: reference.length === 0 ? null : round(Math.max(...reference)),
    target: target ?? null,
    isMet: target === undefined || judged === null ? null : judged <= target.atMost,
    note,
    samples: samples.map((sample) => round(sample)),
  };
}

/** @throws RangeError without samples. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('a median needs samples');
  return round((upper + lower) / 2);
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

const header = ['what', 'median', 'min – max', 'reference', 'ratio', 'target', 'verdict', 'runs'];

export function formatRows(rows: readonly Row[]): string {
  const cells = [header, ...rows.map(cellsOf)];
  const widths = header.map((_title, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  const [head = [], ...body] = cells;
  const table = [line(head), line(widths.map((width) => '─'.repeat(width))), ...body.map(line)];
  const notes = rows.filter(({ note }) => note !== '').map(({ name, note }) => `  ${name}: ${note}`);
  return [...table, ...(notes.length === 0 ? [] : ['', ...notes])].join('\n');
}

function cellsOf(row: Row): readonly string[] {
  const { ours, unit, min, max, reference, ratio, target, isMet } = row;
  const verdict = isMet === null ? '' : isMet ? 'met' : 'MISSED';
  return [
    row.name,
    `${ours} ${unit}`,
    `${min} – ${max}`,
    reference === null ? '' : `${reference} ${unit}`,
    ratio === null ? '' : ratio.toFixed(2),
    target === null
      ? ''
      : target.of === 'ratio'
        ? `ratio ≤ ${round(target.atMost, 3)}`
        : `≤ ${target.atMost} ${unit}`,
    verdict,
    String(row.runs),
  ];
}
