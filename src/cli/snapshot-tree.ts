import { formatBytes } from '../base/units.ts';
import { ageText, shortId } from './views.ts';
import type { SnapshotLog, SnapshotView } from '../daemon/api/snapshots.ts';
import type { Output } from './output.ts';

/**
 * The tree of snapshots, oldest at the top; a branch is indented, a straight line of descent is not:
 *
 *     o 3f2a91… 5 min ago  8.1 MiB  before refactor
 *     ├─o 77ab01… 4 min ago  2.0 MiB  attempt 1
 *     ● 90cd12… 1 min ago  3.0 MiB  attempt 2   ← the VM stands here
 */
export function snapshotTree(log: SnapshotLog, nowUnixMs: number, output: Output): string {
  const ids = new Set(log.snapshots.map((snapshot) => snapshot.id));
  const children = Map.groupBy(log.snapshots, ({ parentId }) =>
    parentId !== null && ids.has(parentId) ? parentId : '',
  );
  const lines: string[] = [];
  // An explicit stack: the line of descent may be thousands long. The main line is the newest child, drawn last.
  const stack = (children.get('') ?? []).toReversed().map((snapshot) => ({ snapshot, depth: 0 }));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { snapshot, depth } = next;
    const isCurrent = snapshot.id === log.currentId;
    const branch = depth === 0 ? '' : `${'│ '.repeat(depth - 1)}├─`;
    lines.push(branch + describe(snapshot, isCurrent, nowUnixMs, output));
    const own = children.get(snapshot.id) ?? [];
    own
      .toReversed()
      .forEach((child, index) => stack.push({ snapshot: child, depth: index === 0 ? depth : depth + 1 }));
  }
  return lines.join('\n');
}

function describe(snapshot: SnapshotView, isCurrent: boolean, nowUnixMs: number, output: Output): string {
  const mark = isCurrent ? output.colour('green', '●') : 'o';
  const parts = [
    output.colour('yellow', shortId(snapshot.id)),
    ageText(snapshot.createdAtUnixMs, nowUnixMs),
    formatBytes(snapshot.dirtyBytes),
  ];
  if (snapshot.kind !== 'suspend') parts.push(snapshot.kind);
  if (snapshot.message !== '') parts.push(snapshot.message);
  if (snapshot.damaged !== null) parts.push(output.colour('red', `damaged: ${snapshot.damaged}`));
  return `${mark} ${parts.join('  ')}${isCurrent ? output.colour('dim', '  ← the VM stands here') : ''}`;
}
