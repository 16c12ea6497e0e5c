import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Output } from './output.ts';
import { snapshotTree } from './snapshot-tree.ts';
import { memoryTerminal } from '../../test/support/memory-terminal.ts';
import type { SnapshotView } from '../daemon/api/snapshots.ts';

const view = (id: string, parentId: string | null, message: string): SnapshotView => ({
  id,
  vmId: 'vm',
  parentId,
  kind: 'suspend',
  message,
  createdAtUnixMs: 0,
  dirtyBytes: 4096,
  pauseMs: 20,
  damaged: null,
});

const output = new Output(memoryTerminal().terminal, { isJson: false, isColourAllowed: false });

await test('a line of descent is straight, a branch is indented, the present place is marked', () => {
  const snapshots = [
    view('aaaa', null, 'first'),
    view('bbbb', 'aaaa', 'attempt 1'),
    view('cccc', 'aaaa', 'attempt 2'),
    view('dddd', 'cccc', 'fixed'),
  ];
  assert.equal(
    snapshotTree({ snapshots, currentId: 'dddd' }, 60_000, output),
    [
      'o aaaa  1 min ago  4 KiB  first',
      '├─o bbbb  1 min ago  4 KiB  attempt 1',
      'o cccc  1 min ago  4 KiB  attempt 2',
      '● dddd  1 min ago  4 KiB  fixed  ← the VM stands here',
    ].join('\n'),
  );
});

await test('a snapshot whose parent is gone stands as a root', () => {
  assert.equal(
    snapshotTree({ snapshots: [view('bbbb', 'gone', 'kept')], currentId: null }, 0, output),
    'o bbbb  0 s ago  4 KiB  kept',
  );
});

await test('thousands in a row need no deep stack', () => {
  const chain = Array.from({ length: 20_000 }, (_, index) =>
    view(String(index), index === 0 ? null : String(index - 1), ''),
  );
  assert.equal(snapshotTree({ snapshots: chain, currentId: null }, 0, output).split('\n').length, 20_000);
});
