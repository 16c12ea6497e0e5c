import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createNodeEnv } from '../../env/node/env.ts';
import type { Env } from '../../env/env.ts';
import type { ExitStatus } from '../../env/processes.ts';
import { faultyEnv } from '../../../test/support/faulty-env.ts';
import type { VmEnd } from '../vm-driver.ts';
import { LAST_WORDS_TRIES_MAX } from './limits.ts';
import { supervise } from './supervise.ts';

const node = createNodeEnv();
/** Waits for nothing between two tries. */
const hasty: Env = { ...node, clock: { ...node.clock, sleep: async () => undefined } };

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-supervise-'));
  await writeFile(join(directory, 'log'), 'Firecracker exiting successfully. exit_code=0\n');
  await writeFile(join(directory, 'console'), 'login:\n');
  await writeFile(join(directory, 'panicked'), 'Kernel panic - not syncing: Attempted to kill init!\n');
});
after(async () => await rm(directory, { recursive: true }));

/** What is told of an end. @param unread how often the disk fails to read. */
async function endOf(status: ExitStatus | null, console: string, unread = 0): Promise<VmEnd> {
  const rules = [{ act: 'files.open', subject: /console/, count: unread, fault: { errno: 'EIO' } }];
  const { env, injected } = faultyEnv(hasty, { rules });
  const told = Promise.withResolvers<VmEnd>();
  const places = { log: join(directory, 'log'), console: join(directory, console), metrics: '/none' };
  supervise(env, { process: { ended: Promise.resolve(status) }, places }, told.resolve);
  const end = await told.promise;
  assert.equal(injected.length, unread);
  return end;
}

test('a guest that turned itself off is told from one that panicked, also when another daemon started it', async () => {
  for (const status of [{ code: 0 }, null]) {
    assert.deepEqual(await endOf(status, 'console'), { kind: 'process', isOrderly: true });
    assert.deepEqual(await endOf(status, 'panicked'), { kind: 'process', isOrderly: false });
  }
  assert.deepEqual(await endOf({ signal: 'SIGKILL' }, 'console'), { kind: 'process', isOrderly: false });
});

test('a console that cannot be read is read again, and one that stays unread tells of no orderly end', async () => {
  assert.deepEqual(await endOf({ code: 0 }, 'console', 1), { kind: 'process', isOrderly: true });
  const end = await endOf({ code: 0 }, 'console', LAST_WORDS_TRIES_MAX);
  assert.deepEqual(end, { kind: 'process', isOrderly: false });
});
