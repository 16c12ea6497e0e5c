/** The conformance suite, run against the stand-in: so that the suite and the stand-in agree, and the stand-in with the documentation. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createNodeEnv } from '../src/env/node/env.ts';
import { bootableKernel } from '../src/vm/firecracker/vmlinux.ts';
import { versionOf } from './conformance-firecracker/binary.ts';
import { suiteCases } from './conformance-firecracker/cases.ts';
import { runCases } from './conformance-firecracker/run.ts';
import { runCycles } from './conformance-firecracker/cycles.ts';
import { baseImage } from './support/base-image.ts';
import { standInOptions } from './support/stand-in-options.ts';

const cache = join(import.meta.dirname, '../.cache/vmlinux');
const CYCLES = 3;

test('the stand-in does what Firecracker is documented to do', async () => {
  const env = createNodeEnv();
  const { files } = await baseImage(env, 'x86_64');
  await mkdir(cache, { recursive: true });
  const kernel = await bootableKernel(env, files.kernel, 'x86_64', cache);
  const guest = { kernel, initrd: files.initramfs, rootfs: files.rootfs };
  const version = await versionOf(env, standInOptions.binary);
  const report = await runCases({ ...standInOptions, guest }, version, suiteCases, () => undefined);
  const failures = report.tests.filter(({ result }) => result === 'failed');
  assert.deepEqual(failures, []);
  assert.equal(report.passed, suiteCases.length, 'nothing is skipped on the stand-in');
});

test('nothing is left of machines that were started and stopped', async () => {
  await runCycles(standInOptions, await versionOf(createNodeEnv(), standInOptions.binary), CYCLES);
});
