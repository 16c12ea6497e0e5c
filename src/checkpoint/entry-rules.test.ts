import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ArchiveEntry } from './entry.ts';
import { EntryRules } from './entry-rules.ts';
import { ENTRIES_MAX } from './limits.ts';

function entry(path: string, change: Partial<ArchiveEntry> = {}): ArchiveEntry {
  const plain = { mode: 0o644, uid: 0, gid: 0, modified: '0', sizeBytes: 0, target: '', extended: {} };
  return { ...plain, path, kind: 'file', ...change };
}

const folder = (path: string): ArchiveEntry => entry(path, { kind: 'directory' });

suite('what an archive may hold', () => {
  test('lies in the workspace, folders first', () => {
    const rules = new EntryRules(['/srv/a', '/etc/one']);
    for (const good of [
      folder('srv/a'),
      folder('srv/a/b'),
      entry('srv/a/b/c', { sizeBytes: 3 }),
      entry('srv/a/hard', { kind: 'hardlink', target: 'srv/a/b/c' }),
      entry('srv/a/out', { kind: 'symlink', target: '/etc/passwd' }),
      entry('etc/one'),
    ])
      assert.equal(rules.admit(good), null, good.path);
    const bad: readonly (readonly [ArchiveEntry, RegExp])[] = [
      [entry('srv/a/b/c'), /twice/],
      [entry('srv/other'), /outside/],
      [entry('srv/ab'), /outside/],
      [entry('srv'), /outside/],
      [entry('srv/a/none/x'), /outside/],
      [entry('srv/a/out/passwd'), /outside/],
      [entry('srv/a/b/c/d'), /outside/],
      [entry('srv/a/../../etc/passwd'), /not plain/],
      [entry('/srv/a/x'), /not plain/],
      [entry('srv/a//x'), /not plain/],
      [entry('srv/a/x\0'), /not plain/],
      [entry('srv/a/./x'), /not plain/],
      [entry('srv/a/x', { kind: 'hardlink', target: 'etc/shadow' }), /names no file/],
      [entry('srv/a/x', { kind: 'hardlink', target: 'srv/a/b' }), /names no file/],
      [entry('srv/a/x', { kind: 'symlink', target: '' }), /leads nowhere/],
      [entry('srv/a/x', { kind: 'fifo', sizeBytes: 1 }), /has bytes/],
    ];
    for (const [one, why] of bad) assert.match(rules.admit(one) ?? '', why, one.path);
    assert.equal(rules.count, 6);
  });

  test('is bounded', () => {
    const rules = new EntryRules(['/srv']);
    assert.equal(rules.admit(folder('srv')), null);
    while (rules.count < ENTRIES_MAX) {
      assert.equal(rules.isFull, false);
      assert.equal(rules.admit(entry(`srv/${rules.count}`)), null);
    }
    assert.equal(rules.isFull, true);
    assert.match(rules.admit(entry('srv/more')) ?? '', /more than 262144 files/);
  });
});
