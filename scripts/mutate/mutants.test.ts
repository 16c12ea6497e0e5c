import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { root } from '../run-node.ts';
import { equivalents, isOf } from './equivalents.ts';
import { alone, mutate } from './mutants.ts';
import { scatter } from './scatter.ts';

test('a mutant is what stands there with one mistake', () => {
  const text = 'if (a < 2) b();';
  const { mutants } = mutate('a.ts', text, 0);
  assert.deepEqual(
    mutants.map((mutant) => alone(text, mutant)),
    ['if (a < (3)) b();', 'if (((a) <= (2))) b();', 'if ((!(a < 2))) b();', 'if (a < 2) {}'],
  );
});

test('an `await` whose value is returned has no mutant, but in a `try`, which hears of what fails only by waiting', () => {
  const kinds = (text: string): readonly string[] =>
    mutate('a.ts', text, 0).mutants.map(({ kind, was }) => `${kind} ${was}`);
  assert.deepEqual(kinds('async function f() { return await g(); }'), []);
  assert.deepEqual(kinds('const f = async () => await g();'), []);
  assert.deepEqual(kinds('async function f() { try { return await g(); } catch { return 1n; } }'), [
    'await await g()',
  ]);
  assert.deepEqual(kinds('async function f() { return h(await g()); }'), ['await await g()']);
  const inner = 'async function f() { try { x = async () => await g(); } finally { h(); } }';
  assert.deepEqual(
    kinds(inner).filter((kind) => kind.startsWith('await')),
    [],
  );
});

test('the place of a mutant among others does not change with what stands elsewhere in its file', () => {
  const places = (text: string): readonly string[] =>
    scatter(mutate('a.ts', text, 0).mutants).map(({ kind, was }) => `${kind} ${was}`);
  const text = 'if (a < 2) b();';
  const known = new Set(places(text));
  assert.deepEqual(
    places(`c();\n${text}`).filter((place) => known.has(place)),
    places(text),
  );
});

test('there is a mutant of each kind that is called equivalent, and a reason', async () => {
  const byFile = Map.groupBy(equivalents, ({ file }) => file);
  for (const [file, listed] of byFile) {
    const { mutants } = mutate(file, await readFile(join(root, file), 'utf8'), 0);
    for (const one of listed) {
      assert.ok(
        mutants.some((mutant) => isOf(one, mutant)),
        `${file} has changed: is this equivalent still? ${one.was}`,
      );
      assert.ok(one.why.length > 0);
    }
  }
});
