import { readdirSync, readFileSync } from 'node:fs';
import { isGone } from '../support/host-processes.ts';

/** Processes that a process started, and those that they did. */
export function descendants(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : null;
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (const next = [pid]; next.length > 0;) {
    const direct = children.get(next.pop() ?? 0) ?? [];
    found.push(...direct);
    next.push(...direct);
  }
  return found;
}

function parentOf(pid: string): number | null {
  const stat = readStat(pid);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return fields[1] === undefined ? null : Number(fields[1]);
}

/** Null when the process is gone. */
function readStat(pid: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}
