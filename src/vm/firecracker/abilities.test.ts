import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { FakePrograms } from '../../../test/support/fake-programs.ts';
import type { ProgramAnswer } from '../../../test/support/fake-programs.ts';
import { checkJailer, discoverAbilities } from './abilities.ts';

const node = createNodeEnv();
/** A program that is there, whatever it is. */
const PROGRAM = await realpath(process.execPath);

function hostWhere(answer: (flag: string) => ProgramAnswer | null): Env {
  const programs = new FakePrograms((line) => answer(line.split(' ').at(-1) ?? ''));
  return { ...node, processes: { ...node.processes, spawn: (options) => programs.spawn(options) } };
}

const says = (version: string, snapshots = 'v10.0.0'): Env =>
  hostWhere((flag) => ({
    code: 0,
    stdout: flag === '--version' ? `Firecracker ${version}\n\n` : `${snapshots}\n`,
  }));

test('it is asked for its version and for that of its snapshots', async () => {
  const abilities = await discoverAbilities(says('v1.16.1'), PROGRAM);
  assert.deepEqual(abilities.version, { major: 1, minor: 16, patch: 1 });
  assert.deepEqual(abilities.snapshotVersion, { major: 10, minor: 0, patch: 0 });
  assert.equal(abilities.program, PROGRAM);
});

test('a program is the file that its links lead to, after which a jailer names its cages', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-links-'));
  try {
    await symlink(PROGRAM, join(directory, 'firecracker-v1'));
    await symlink('firecracker-v1', join(directory, 'firecracker'));
    const { program } = await discoverAbilities(says('v1.16.1'), join(directory, 'firecracker'));
    assert.equal(program, PROGRAM);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('what is missing, too old, too new or something else is told with what to install', async () => {
  for (const [env, program, advice] of [
    [says('v1.16.1'), '/nowhere/firecracker', /releases/],
    [says('v1.11.0'), PROGRAM, /1\.12 or newer/],
    [says('v2.0.0'), PROGRAM, /newer Kelpie/],
    [says('Hello'), PROGRAM, /does not tell its version .*Hello/],
    [hostWhere(() => ({ code: 127, stderr: 'exec format error' })), PROGRAM, /exec format error/],
    [hostWhere(() => null), PROGRAM, /cannot be started/],
  ] as const) {
    await assert.rejects(
      discoverAbilities(env, program),
      (error) => isKelpieError(error, 'backend_unavailable') && advice.test(error.message),
    );
  }
});

test('a jailer of another release is refused', async () => {
  const version = { major: 1, minor: 16, patch: 1 };
  await checkJailer(says('v1.16.1'), '/jailer', version);
  await assert.rejects(
    checkJailer(says('v1.15.0'), '/jailer', version),
    (error) => isKelpieError(error, 'backend_unavailable') && error.message.includes('from one release'),
  );
});
