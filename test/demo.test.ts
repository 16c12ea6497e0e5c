/** `npm run demo`'s own program, run for real: two daemons, a VM that moves there and back. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { z } from 'zod';
import { createNodeEnv } from '../src/env/node/env.ts';
import { baseImage, IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';

const DEMO_TIMEOUT_MS = 240_000;
const project = dirname(import.meta.dirname);

const summary = z.object({
  ok: z.literal(true),
  pidBefore: z.int(),
  pidAfter: z.int(),
  counterBefore: z.int(),
  counterAfter: z.int(),
  phases: z.object({
    bootMs: z.number().positive(),
    pauseMs: z.number().positive(),
    snapshotMs: z.number().positive(),
    publishMs: z.number().positive(),
    loadMs: z.number().positive(),
    resumeMs: z.number().positive(),
    firstAnswerMs: z.number().positive(),
  }),
  bytes: z.record(z.string(), z.number()),
});

await test(
  'the demo moves a running VM there and back, and everything holds',
  { timeout: IMAGE_BUILD_TIMEOUT_MS + DEMO_TIMEOUT_MS },
  async (t) => {
    const env = createNodeEnv();
    const image = await baseImage(env, env.host.architecture);
    const root = await mkdtemp('/tmp/kelpie-demo-');
    t.after(async () => rm(root, { recursive: true, force: true }));
    const images = join(root, 'laptop/images', image.info.digest);
    await cp(dirname(image.files.kernel), images, { recursive: true });

    const json = join(root, 'demo.json');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(project, 'scripts/demo.ts'), '--root', root, '--json', json],
      { timeout: DEMO_TIMEOUT_MS },
    );

    assert.match(stdout, /All of it held\.\n$/u);
    assert.ok(!stdout.includes('✗'));
    const told = summary.parse(JSON.parse(await readFile(json, 'utf8')));
    assert.equal(told.pidAfter, told.pidBefore);
    assert.ok(told.counterAfter > told.counterBefore);
  },
);
