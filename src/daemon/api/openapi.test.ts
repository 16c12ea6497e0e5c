import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { describeApi } from './openapi.ts';
import { routes } from './routes.ts';
import type { Route } from './routes.ts';

test('docs/openapi.json describes the routes as they are', async () => {
  const written: unknown = JSON.parse(
    await readFile(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'),
  );
  const described: unknown = JSON.parse(JSON.stringify(await describeApi()));
  assert.deepEqual(written, described, 'run: scripts/node scripts/write-openapi.ts');
});

test('whatever the document refers to is in it', async () => {
  const described: unknown = JSON.parse(JSON.stringify(await describeApi()));
  const references = [...JSON.stringify(described).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
    ([, path = '']) => path,
  );
  assert.ok(references.includes('components/schemas/VmView'));
  for (const path of new Set(references)) {
    let found: unknown = described;
    for (const key of path.split('/'))
      found = Object.entries(found ?? {}).find(([name]) => name === key)?.[1];
    assert.equal(typeof found, 'object', path);
  }
});

test('no two routes answer the same request', () => {
  const seen = Object.values<Route>({ ...routes }).map(
    ({ method, path }) => `${method} ${path.replaceAll(/:[a-z]+/g, ':')}`,
  );
  assert.equal(new Set(seen).size, seen.length);
});
