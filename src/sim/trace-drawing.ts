/** One stretch of a trace as an SVG drawing. */
import type { Bar } from './trace-bars.ts';
import { CHUNK_ROWS, escapeText, laneOf, laneX, LANE_PX, ROW_PX, TIME_PX } from './trace-layout.ts';
import type { TraceEvent } from './trace.ts';

/** A longer silence is marked. */
const GAP_MS = 1000;
const ARROW_PX = 6;
/** What fits beside a column; the whole text shows when it is pointed at. */
const LABEL_CHARACTERS_MAX = 46;

export function drawChunk(
  events: readonly TraceEvent[],
  lanes: readonly string[],
  bars: readonly Bar[],
  start: number,
): string {
  const end = Math.min(start + CHUNK_ROWS, events.length);
  const width = TIME_PX + lanes.length * LANE_PX;
  const height = (end - start) * ROW_PX;
  const parts = lanes.map((lane) => {
    const x = laneX(lanes, lane);
    return `<line class="lane" x1="${x}" y1="0" x2="${x}" y2="${height}"/>`;
  });
  for (const bar of bars) if (bar.endRow > start && bar.startRow < end) parts.push(drawBar(bar, start, end));
  for (const [index, event] of events.slice(start, end).entries()) {
    const before = events[start + index - 1];
    parts.push(drawEvent(event, before?.atMs ?? 0, lanes, (index + 0.5) * ROW_PX, width));
  }
  // Its place is kept while it is out of sight.
  const size = `contain-intrinsic-size:${width}px ${height}px`;
  return `<svg width="${width}" height="${height}" style="${size}" role="img">${parts.join('')}</svg>`;
}

function drawBar({ kind, x, color, startRow, endRow, title }: Bar, start: number, end: number): string {
  const top = (Math.max(startRow, start) - start + (startRow >= start ? 0.5 : 0)) * ROW_PX;
  const bottom = (Math.min(endRow, end) - start + (endRow < end ? 0.5 : 0)) * ROW_PX;
  const thickness = kind === 'guest' ? 7 : 4;
  return `<rect class="${kind}" x="${x}" y="${top}" width="${thickness}" height="${Math.max(1, bottom - top)}" fill="${color}" rx="2"><title>${escapeText(title)}</title></rect>`;
}

function drawEvent(
  event: TraceEvent,
  beforeMs: number,
  lanes: readonly string[],
  y: number,
  width: number,
): string {
  const { atMs, kind, text } = event;
  const time = `<text class="time" x="${TIME_PX - 8}" y="${y + 4}" text-anchor="end">${(atMs / 1000).toFixed(3)}</text>`;
  const gap =
    atMs - beforeMs > GAP_MS
      ? `<line class="gap" x1="0" y1="${y - ROW_PX / 2}" x2="${width}" y2="${y - ROW_PX / 2}"/>`
      : '';
  const id = kind === 'oracle' ? ' id="oracle"' : '';
  return `<g class="${kind}"${id}>${gap}${time}${drawBody(event, lanes, y, width)}<title>${escapeText(text)}</title></g>`;
}

function drawBody(event: TraceEvent, lanes: readonly string[], y: number, width: number): string {
  const { kind, lane, to, text } = event;
  const x = laneX(lanes, lane);
  if (kind === 'oracle')
    return `<rect x="0" y="${y - ROW_PX / 2}" width="${width}" height="${ROW_PX}"/><text x="${TIME_PX}" y="${y + 4}">${escapeText(text.slice(0, LABEL_CHARACTERS_MAX * 4))}</text>`;
  if (kind === 'message' && to !== null && laneOf(to) !== laneOf(lane))
    return drawArrow(x, laneX(lanes, to), y, text);
  const mark =
    kind === 'fault'
      ? `<rect x="${x - LANE_PX / 2}" y="${y - ROW_PX / 2}" width="${LANE_PX}" height="${ROW_PX}"/>`
      : `<circle cx="${x}" cy="${y}" r="3" fill="currentColor"/>`;
  // Text of the last column goes to the left.
  const side = x > width - LANE_PX ? 'text-anchor="end" dx="-7"' : 'dx="7"';
  return `${mark}<text x="${x}" y="${y + 4}" ${side}>${label(text)}</text>`;
}

function drawArrow(from: number, to: number, y: number, text: string): string {
  const direction = to > from ? -ARROW_PX : ARROW_PX;
  const head = `M${to} ${y + 4} l${direction} -3 v6 z`;
  return `<line x1="${from}" y1="${y + 4}" x2="${to}" y2="${y + 4}"/><path class="head" d="${head}"/><text x="${(from + to) / 2}" y="${y + 1}" text-anchor="middle">${label(text)}</text>`;
}

function label(text: string): string {
  const short = text.length > LABEL_CHARACTERS_MAX ? `${text.slice(0, LABEL_CHARACTERS_MAX - 1)}…` : text;
  return escapeText(short);
}
