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

/** The phases that people ask about, and which of the daemon's own each is made of. */
const phases = {
  pause: { side: 'out', parts: ['pause'] },
  snapshot: { side: 'out', parts: ['capture'] },
  publish: { side: 'out', parts: ['image', 'publish', 'announce', 'commit', 'end'] },
  fetch: { side: 'in', parts: ['find', 'check', 'image', 'download', 'claim'] },
  load: { side: 'in', parts: ['memory', 'process', 'load'] },
  resume: { side: 'in', parts: ['resume', 'repair'] },
} as const;

/** `{bootMs, pauseMs, snapshotMs, publishMs, fetchMs, loadMs, resumeMs, firstAnswerMs}` */
export function phasesOf(bootMs: number, leg: Leg): Readonly<Record<string, number>> {
  const sums = Object.entries(phases).map(
    ([name, { side, parts }]) => [name, sumOf(leg[side], parts)] as const,
  );
  const all = [['boot', bootMs] as const, ...sums, ['firstAnswer', leg.firstAnswerMs] as const];
  return Object.fromEntries(all.map(([name, ms]) => [`${name}Ms`, Math.round(ms * 10) / 10]));
}

function sumOf(timings: Readonly<Record<string, unknown>>, parts: readonly string[]): number {
  return parts
    .map((part) => `${part}Ms`)
    .reduce((sum, key) => sum + (key in timings ? numberAt(timings, key) : 0), 0);
}

export function phaseTable(bootMs: number, legs: readonly Leg[]): string {
  const columns = legs.map((leg) => phasesOf(bootMs, leg));
  const names = ['boot', ...Object.keys(phases), 'firstAnswer'];
  const rows = names.map((name) => [
    name === 'firstAnswer' ? 'first answer' : name,
    ...columns.map((column, index) =>
      name === 'boot' && index > 0 ? '' : formatDurationMs(column[`${name}Ms`] ?? 0),
    ),
  ]);
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
