/** A command starts as fast as what it loads: everything that it reaches by `import` runs before its first line. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { importsOf } from './tidy/imports.ts';

const root = join(import.meta.dirname, '..');

/** `import()` them when they are needed, or take them from `src/env/node/late-modules.ts`; measured in docs/BENCHMARKS.md. */
const cheap: ReadonlySet<string> = new Set([
  'commander',
  'node:fs',
  'node:fs/promises',
  'node:net',
  'node:os',
  'node:path',
  'node:url',
  'node:util',
]);
/** `cp` checks what the guest says of a file while it copies; a schema does it. */
const dear: ReadonlySet<string> = new Set(['src/cli/copy.ts']);

function* reached(entries: readonly string[]): Generator<{ readonly from: string; readonly module: string }> {
  const seen = new Set(entries);
  for (const path of seen) {
    const imports = importsOf({ path, text: readFileSync(join(root, path), 'utf8') });
    for (const { clause, isRelative, target } of imports) {
      const isLoaded = clause !== '' && !clause.startsWith('type ') && !dear.has(target);
      if (isLoaded && isRelative) seen.add(target);
      else if (isLoaded) yield { from: path, module: target };
    }
  }
}

test('no command loads a dear module before its first line', () => {
  const commands = globSync('src/cli/commands/*.ts', {
    cwd: root,
    exclude: (path) => path.endsWith('.test.ts'),
  });
  const found = [
    ...reached(['src/bin/kelpie.ts', 'src/bin/command-line.ts', 'src/env/node/http-client.ts', ...commands]),
  ];
  assert.ok(found.some(({ module }) => module === 'commander'));
  assert.deepEqual(
    found.filter(({ module }) => !cheap.has(module)),
    [],
  );
});
