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

test('no two routes answer the same request', () => {
  const seen = Object.values<Route>({ ...routes }).map(
    ({ method, path }) => `${method} ${path.replaceAll(/:[a-z]+/g, ':')}`,
  );
  assert.equal(new Set(seen).size, seen.length);
});
