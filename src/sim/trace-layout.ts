/** Where things are on the page of a trace. */
import type { TraceEvent } from './trace.ts';

export const TIME_PX = 84;
export const LANE_PX = 190;
export const ROW_PX = 20;
/** Rows of one drawing: as many as a browser draws at once when they come into sight. */
export const CHUNK_ROWS = 100;

/** People and programs of the first host, what both share, then those of the second, mirrored. */
const order: readonly string[] = [
  'person a',
  'client a',
  'kelpied a',
  'qemu-img a',
  'qemu-system-x86_64 a',
  'a',
  'm',
  'store',
  's3 service',
  'b',
  'qemu-system-x86_64 b',
  'qemu-img b',
  'kelpied b',
  'client b',
  'person b',
];

/** The columns that a run needs, from left to right. */
export function lanesOf(events: readonly TraceEvent[]): readonly string[] {
  const lanes = new Set(events.map(({ lane }) => laneOf(lane)));
  for (const { to } of events) if (to !== null) lanes.add(laneOf(to));
  const rank = (lane: string): number => {
    const index = order.indexOf(lane);
    return index === -1 ? order.length : index;
  };
  return [...lanes].toSorted((a, b) => rank(a) - rank(b));
}

/** A person and their client are one to whoever looks on, and short-lived helpers belong to their daemon. */
export function laneOf(lane: string): string {
  return lane.replace(/^client /, 'person ').replace(/^qemu-img /, 'kelpied ');
}

export function laneX(lanes: readonly string[], lane: string): number {
  return TIME_PX + (lanes.indexOf(laneOf(lane)) + 0.5) * LANE_PX;
}

/** Text as HTML and SVG take it. */
export function escapeText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
