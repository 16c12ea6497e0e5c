import assert from 'node:assert/strict';
import test from 'node:test';
import { checkLayers } from './layers.ts';

function messages(path: string, text: string): string[] {
  return checkLayers({ path, text }).map((finding) => finding.message);
}

const forbidden = [
  ['src/base/a.ts', "import type { Env } from '../env/env.ts';", /base may import nothing/],
  ['src/env/a.ts', "import { b } from './node/b.ts';", /take an Env as an argument/],
  ['src/snapshot/a.ts', "import { b } from '../store/b.ts';", /snapshot may import base, env/],
  ['src/store/a.ts', "import { b } from '../guest/b.ts';", /store may import/],
  ['src/image/a.ts', "import { b } from '../vm/b.ts';", /image may import/],
  ['src/vm/a.ts', "import { b } from '../image/b.ts';", /vm may import/],
  ['src/vm/a.ts', "export { b } from '../teleport/b.ts';", /vm may import/],
  ['src/vm/qemu/a.ts', "import { b } from '../vz/b.ts';", /backends never import each other/],
  ['src/teleport/a.ts', "const b = await import('../daemon/b.ts');", /teleport may import/],
  ['src/daemon/a.ts', "import type { B } from '../cli/b.ts';", /daemon may import/],
  ['src/cli/a.ts', "import { b } from '../daemon/supervisor.ts';", /cli may import/],
  ['src/cli/a.ts', "import { b } from '../guest/b.ts';", /cli may import/],
  ['src/cli/a.ts', "import type { B } from '../daemon/b.ts';", /cli may import/],
  ['src/cli/commands/up.ts', "import { b } from '../../sim/b.ts';", /only tests and the sim command/],
  ['src/daemon/a.ts', "import { b } from '../sim/b.ts';", /daemon may import/],
  ['src/vm/a.ts', "import { b } from '../env/node/b.ts';", /take an Env as an argument/],
  ['src/sim/a.ts', "import { b } from '../env/node/b.ts';", /take an Env as an argument/],
  ['src/vm/a.ts', "import {\n  b,\n  c,\n} from '../../test/b.ts';", /nothing outside src/],
  ['src/vm/a.ts', "import { readFile } from 'node:fs/promises';", /use env, not node:fs\/promises/],
  ['src/vm/a.ts', "import 'node:timers';", /use env, not node:timers/],
  ['src/vm/a.ts', "import { resolve } from 'node:path';", /use path.join/],
  ['src/store/a.ts', "import { Hono } from 'hono';", /hono belongs to daemon, web/],
  ['src/cli/a.ts', "import fc from 'fast-check';", /fast-check belongs to tests/],
] as const;

const allowed = [
  ['src/env/a.ts', "import { assert } from '../base/assert.ts';"],
  ['src/env/node/a.ts', "import { spawn } from 'node:child_process';\nimport { b } from '../env.ts';"],
  ['src/vm/qemu/a.ts', "import { b } from '../state.ts';\nimport { c } from '../../guest/c.ts';"],
  ['src/vm/factory.ts', "import { b } from './qemu/b.ts';"],
  ['src/cli/a.ts', "import type { B } from '../daemon/api/b.ts';\nimport { Command } from 'commander';"],
  ['src/cli/a.ts', "import type { B } from '../guest/b.ts';"],
  ['src/cli/commands/sim.ts', "import { b } from '../../sim/b.ts';"],
  ['src/bin/kelpie.ts', "import { b } from '../env/node/b.ts';\nimport { c } from '../cli/main.ts';"],
  ['src/vm/a.ts', "import { join } from 'node:path';\nimport { z } from 'zod';"],
  ['src/store/a.test.ts', "import { b } from '../env/node/b.ts';\nimport fs from 'node:fs';"],
  ['scripts/a.ts', "import fs from 'node:fs';"],
] as const;

for (const [path, text, message] of forbidden) {
  test(`${path} may not: ${JSON.stringify(text)}`, () => {
    const found = messages(path, text);
    assert.equal(found.length, 1);
    assert.match(found[0] ?? '', message);
  });
}

for (const [path, text] of allowed) {
  test(`${path} may: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(messages(path, text), []);
  });
}

test('a finding names the line of the import', () => {
  const text = "// first\nimport { a } from './a.ts';\nimport { b } from '../vm/b.ts';\n";
  assert.deepEqual(
    checkLayers({ path: 'src/base/c.ts', text }).map((finding) => finding.line),
    [3],
  );
});
