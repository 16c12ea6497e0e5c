import assert from 'node:assert/strict';
import test from 'node:test';
import { checkBarrel, checkLength, checkModuleFacts, checkSuppressions, checkTests } from './code-rules.ts';
import { anchorOf, checkMarkdownLinks } from './markdown-links.ts';
import type { FileRule, Finding } from './source-file.ts';
import { checkNewlineAtEnd, checkWords, machinePathsRule } from './text-rules.ts';

function lines(rule: FileRule, path: string, text: string): number[] {
  return rule({ path, text }).map((finding) => finding.line);
}

test('length: 400 lines are the most', () => {
  assert.deepEqual(lines(checkLength, 'src/a.ts', 'x\n'.repeat(400)), []);
  assert.deepEqual(lines(checkLength, 'guest-agent/a.c', 'x\n'.repeat(401)), [400]);
  assert.deepEqual(lines(checkLength, 'docs/a.md', 'x\n'.repeat(401)), []);
});

test('barrel: files of nothing but re-exports', () => {
  const reExports = "/** All. */\nexport { a } from './a.ts';\nexport * from './b.ts';\n";
  assert.deepEqual(lines(checkBarrel, 'src/vm/all.ts', reExports), [1]);
  assert.deepEqual(lines(checkBarrel, 'src/vm/index.ts', 'const a = 1;\n'), [1]);
  assert.deepEqual(lines(checkBarrel, 'src/index.ts', reExports), []);
  assert.deepEqual(lines(checkBarrel, 'src/a.ts', `${reExports}export const c = 1;\n`), []);
  assert.deepEqual(lines(checkBarrel, 'src/a.ts', ''), []);
});

test('tests: only, and skip without an issue', () => {
  assert.deepEqual(lines(checkTests, 'src/a.test.ts', "test.only('a', f);\n"), [1]);
  assert.deepEqual(lines(checkTests, 'src/a.test.ts', "test('a', { skip: true }, f);\n"), [1]);
  assert.deepEqual(lines(checkTests, 'test/a.ts', "it.skip('a', f);\nt.todo('b');\n"), [1, 2]);
  assert.deepEqual(lines(checkTests, 'src/a.test.ts', "test.skip('a', f); // #12: QEMU 9\n"), []);
  assert.deepEqual(lines(checkTests, 'src/a.ts', 'reader.skip(4);\n'), []);
  assert.deepEqual(lines(checkTests, 'src/a.test.ts', 'const rule = { skip: 1 };\n'), []);
});

test('env: the place of the program is for src/bin to know', () => {
  assert.deepEqual(lines(checkModuleFacts, 'src/image/a.ts', 'const here = import.meta.dirname;\n'), [1]);
  assert.deepEqual(lines(checkModuleFacts, 'src/bin/a.ts', 'const here = import.meta.dirname;\n'), []);
});

test('suppression: needs its reason', () => {
  const rule = 'no-console';
  assert.deepEqual(lines(checkSuppressions, 'src/a.ts', `// oxlint-disable-next-line ${rule}\n`), [1]);
  assert.deepEqual(
    lines(checkSuppressions, 'src/a.ts', `// oxlint-disable-next-line ${rule} -- the CLI\n`),
    [],
  );
  assert.deepEqual(lines(checkSuppressions, 'src/a.ts', '// @ts-expect-error\n'), [1]);
});

test('words: swallowed failures, notes to oneself, hosts', () => {
  assert.deepEqual(lines(checkWords, 'scripts/a.sh', 'rm x || true\nrm y || fail\n'), [1]);
  assert.deepEqual(lines(checkWords, 'src/a.ts', '// TODO: later\n// TODO(#12): later\n'), [1]);
  assert.deepEqual(lines(checkWords, 'src/a.ts', 'const a = 1; \n'), [1]);
  assert.deepEqual(lines(checkWords, 'package-lock.json', '"resolved": "https://example.org/a.tgz"\n'), [1]);
  assert.deepEqual(lines(checkWords, 'docs/a.md', 'from registry.example.org\n'), [1]);
});

test('machine path: the clone and the home of whoever works in it', () => {
  const rule = machinePathsRule(['/srv/clone']);
  assert.deepEqual(lines(rule, 'docs/a.md', 'see\n/srv/clone/src\n'), [2]);
  assert.deepEqual(lines(rule, 'docs/a.md', 'see /srv/other\n'), []);
});

test('newline: exactly one at the end', () => {
  assert.deepEqual(lines(checkNewlineAtEnd, 'a.sh', 'x'), [1]);
  assert.deepEqual(lines(checkNewlineAtEnd, 'a.sh', 'x\n\n'), [3]);
  assert.deepEqual(lines(checkNewlineAtEnd, 'a.sh', 'x\n'), []);
  assert.deepEqual(lines(checkNewlineAtEnd, '.gitkeep', ''), []);
});

test('links: files and headings that exist', () => {
  const paths = new Set(['.', 'docs', 'docs/a.md', 'README.md']);
  const textOf = (): string => '# Kelpie: `why` it is\n';
  const check = (text: string): readonly Finding[] =>
    checkMarkdownLinks({ path: 'docs/a.md', text }, paths, textOf);
  assert.deepEqual(check('[a](../README.md#kelpie-why-it-is) [b](https://example.org) [c](../docs/)'), []);
  assert.deepEqual(check('```\n[a](gone.md)\n```\n'), []);
  assert.match(check('[a](gone.md)')[0]?.message ?? '', /no such file: docs\/gone\.md/);
  assert.match(check('[a](../README.md#how)')[0]?.message ?? '', /no such heading/);
});

test('links: anchors are those of GitHub', () => {
  assert.equal(anchorOf('Env: the one boundary'), 'env-the-one-boundary');
  assert.equal(anchorOf('`bin/kelpie` & co.'), 'binkelpie--co');
});
