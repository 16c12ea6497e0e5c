/** What the demo measured, as tables for people. */
import { formatBytes, formatDurationMs } from '../../src/base/units.ts';
import { numberAt } from './kelpie.ts';

export interface Leg {
  readonly name: string;
  /** Phases of the teleport, in milliseconds. */
  readonly out: Readonly<Record<string, unknown>>;
  /** Phases of the restore, in milliseconds. */
  readonly in: Readonly<Record<string, unknown>>;
  /** Published bytes by segment. */
  readonly bytes: Readonly<Record<string, unknown>>;
  readonly downloadedBytes: number;
  /** Of the first command after the restore, the start of the program included. */
  readonly firstAnswerMs: number;
}

export function phaseTable(bootMs: number, legs: readonly Leg[]): string {
  const rows = [['boot', ...legs.map((_leg, index) => (index === 0 ? formatDurationMs(bootMs) : ''))]];
  for (const side of ['out', 'in'] as const) {
    for (const phase of Object.keys(legs[0]?.[side] ?? {}))
      rows.push([phase.replace(/Ms$/, ''), ...legs.map((leg) => duration(leg[side], phase))]);
  }
  rows.push(['first answer', ...legs.map((leg) => formatDurationMs(leg.firstAnswerMs))]);
  return table(['phase', ...legs.map((leg) => leg.name)], rows);
}

export function bytesTable(legs: readonly Leg[]): string {
  const rows = Object.keys(legs[0]?.bytes ?? {}).map((name) => [
    name,
    ...legs.map((leg) => formatBytes(numberAt(leg.bytes, name))),
  ]);
  rows.push(['downloaded', ...legs.map((leg) => formatBytes(leg.downloadedBytes))]);
  return table(['bytes', ...legs.map((leg) => leg.name)], rows);
}

function duration(timings: Readonly<Record<string, unknown>>, phase: string): string {
  return phase in timings ? formatDurationMs(numberAt(timings, phase)) : '';
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   ');
  return [line(header), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n');
}
