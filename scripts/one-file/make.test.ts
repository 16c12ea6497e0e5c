import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { isFresh, makeOneFile } from './make.ts';

const run = promisify(execFile);

const sources: Readonly<Record<string, string>> = {
  'package-lock.json': '{}',
  'package.json': '{"type":"module"}',
  'src/bin/kelpie.ts': `console.log('sources');`,
  'src/bin/command-line.ts': `import { place } from '../env/node/place.ts';
export const runCommandLine = async (args: readonly string[]): Promise<number> => {
  console.log('one file', ...args, place);
  return 0;
};`,
  'src/env/node/place.ts': `export const place: string = new URL('../../../', import.meta.url).pathname;`,
};

async function makeTree(t: TestContext, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'kelpie-one-file-'));
  t.after(async () => rm(root, { recursive: true }));
  for (const [path, text] of Object.entries({ ...sources, ...more })) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

async function output(path: string): Promise<string> {
  return (await run(process.execPath, [path, 'a', 'b'])).stdout.trim();
}

test('it runs with its arguments, and knows where the program is', async (t) => {
  const root = await makeTree(t);
  const path = join(root, '.cache/command-line/kelpie.cjs');
  assert.equal(isFresh(path), false);
  await makeOneFile({ root, path, isFinal: false });
  assert.equal(isFresh(path), true);
  assert.equal(await output(path), `one file a b ${root}/`);
});

for (const changed of ['src/env/node/place.ts', 'package-lock.json']) {
  test(`it runs the sources once ${changed} has changed`, async (t) => {
    const root = await makeTree(t);
    const path = join(root, '.cache/command-line/kelpie.cjs');
    await makeOneFile({ root, path, isFinal: false });
    await utimes(join(root, changed), 1, 1);
    assert.equal(isFresh(path), false);
    assert.equal(await output(path), 'sources');
    await rm(join(root, changed));
    assert.equal(await output(path), 'sources');
  });
}

test('a final one needs no sources', async (t) => {
  const root = await makeTree(t);
  const path = join(root, 'dist/command-line/kelpie.cjs');
  await makeOneFile({ root, path, isFinal: true });
  await rm(join(root, 'src'), { recursive: true });
  assert.match(await output(path), /^one file/);
});

test('a module that asks for its own place in another folder is refused, and nothing is made', async (t) => {
  const root = await makeTree(t, { 'src/env/place.ts': `export const place: string = import.meta.url;` });
  await writeFile(join(root, 'src/env/node/place.ts'), `export { place } from '../place.ts';`);
  const path = join(root, '.cache/command-line/kelpie.cjs');
  await assert.rejects(
    makeOneFile({ root, path, isFinal: false }),
    /src\/env\/place\.ts asks for its own place/,
  );
  assert.equal(isFresh(path), false);
});
