/** What lasts: a copy of a VM that executes, and an epoch of the right to. */
import { laneOf, laneX, LANE_PX } from './trace-layout.ts';
import type { TraceEvent } from './trace.ts';

export interface Bar {
  readonly kind: 'guest' | 'record';
  readonly x: number;
  readonly color: string;
  readonly startRow: number;
  endRow: number;
  readonly title: string;
}

const BAR_GAP_PX = 9;
/** By VM, in the order in which they come; further ones begin anew. */
const colors: readonly string[] = ['#1b8a4b', '#c77700', '#2f6fd0', '#8a5cd1'];

export function barsOf(events: readonly TraceEvent[], lanes: readonly string[]): readonly Bar[] {
  const bars: Bar[] = [];
  const open = new Map<string, Bar>();
  const vms: string[] = [];
  for (const [row, { kind, lane, text }] of events.entries()) {
    if (kind !== 'guest' && kind !== 'record') continue;
    const vm = text.split(' ')[0] ?? '';
    if (!vms.includes(vm)) vms.push(vm);
    const index = vms.indexOf(vm);
    const key = `${kind} ${lane} ${vm}`;
    const before = open.get(key);
    if (before !== undefined) before.endRow = row;
    open.delete(key);
    if (kind === 'guest' && !text.includes(' runs ')) continue;
    const bar: Bar = {
      kind,
      x: laneX(lanes, laneOf(lane)) - LANE_PX / 2 + 10 + index * BAR_GAP_PX,
      color: colors[index % colors.length] ?? '#888',
      startRow: row,
      endRow: events.length,
      title: text,
    };
    bars.push(bar);
    open.set(key, bar);
  }
  return bars;
}
