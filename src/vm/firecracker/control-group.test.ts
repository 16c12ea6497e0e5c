import assert from 'node:assert/strict';
import { mkdirSync, rmdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { Clock } from '../../env/clock.ts';
import type { Env } from '../../env/env.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { FakePrograms } from '../../../test/support/fake-programs.ts';
import { removeControlGroup } from './control-group.ts';
import { GROUP_TRIES_MAX } from './limits.ts';

const node = createNodeEnv();
/** Nobody waits for the group here. */
const hasty: Clock = {
  wallMs: () => node.clock.wallMs(),
  wallNs: () => node.clock.wallNs(),
  monotonicMs: () => node.clock.monotonicMs(),
  sleep: async (durationMs, signal) => await node.clock.sleep(Math.min(durationMs, 1), signal),
};

let directory: string;
let runDirectory: string;
let group: string;
/** How often it is in use still. */
let refusals: number;
let programs: FakePrograms;
let env: Env;

function rmdir(): { readonly code: number; readonly stderr?: string } {
  refusals -= 1;
  if (refusals >= 0) return { code: 1, stderr: 'rmdir: Device or resource busy' };
  rmdirSync(group);
  return { code: 0 };
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-group-'));
  runDirectory = join(directory, 'run');
  group = join(directory, 'vms/0123');
});
after(async () => await rm(directory, { recursive: true }));
beforeEach(() => {
  refusals = 0;
  mkdirSync(join(runDirectory, 'jail/firecracker/0123'), { recursive: true });
  mkdirSync(group, { recursive: true });
  programs = new FakePrograms(rmdir);
  env = {
    ...node,
    clock: hasty,
    processes: { ...node.processes, spawn: (options) => programs.spawn(options) },
  };
});

/** Another folder stands for the one that only a kernel has. */
const remove = (): Promise<void> =>
  removeControlGroup(env, runDirectory, { parentCgroup: `../../..${join(directory, 'vms')}` });

test('a group that is in use for a moment still is removed', async () => {
  refusals = 3;
  await remove();
  assert.equal(programs.started.length, 4);
  await remove();
  assert.equal(programs.started.length, 4, 'it is gone');
});

test('a group that stays in use is told, with what the system says', async () => {
  refusals = 1000;
  await assert.rejects(
    remove(),
    (error) => isKelpieError(error, 'vm_backend_failed') && /resource busy/.test(error.message),
  );
  assert.equal(programs.started.length, GROUP_TRIES_MAX);
});
