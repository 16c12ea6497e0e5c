/** What `npm run build` makes for the published package runs, also where a path is computed and not imported. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const COMMAND_TIMEOUT_MS = 200_000;

test('frames are packed by threads of the compiled program', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-build-'));
  const options = { cwd: root, timeout: COMMAND_TIMEOUT_MS };
  const node = async (...args: readonly string[]): Promise<string> =>
    (await run(process.execPath, args, options)).stdout;
  try {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    await node(compiler, '-p', 'tsconfig.build.json', '--outDir', join(directory, 'dist'));
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    const program = join(directory, 'pack.mjs');
    const source = `
      import { createNodeEnv } from './dist/env/node/env.js';
      const { compute, age } = createNodeEnv();
      const packed = await compute.packFrame(new Uint8Array(8192).fill(3), null);
      const raw = await compute.unpackFrame(packed, 8192, null);
      console.log(packed.codec, raw.length, raw[8191], (await age.createIdentity()).slice(0, 16));`;
    await writeFile(program, source);
    assert.equal(await node(program), 'zstd 8192 3 AGE-SECRET-KEY-1\n');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
