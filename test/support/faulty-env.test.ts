import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { envSuite } from './env-suite.ts';
import { processesSuite } from './env-processes-suite.ts';
import { faultyEnv, killAt } from './faulty-env.ts';
import { promises, refusedWith } from './with-fixture.ts';
import type { EnvFixture } from './env-suite.ts';

async function createFixture(): Promise<EnvFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-'));
  return {
    env: faultyEnv(createNodeEnv(), {}).env,
    directory,
    close: async () => await rm(directory, { recursive: true, force: true }),
  };
}

// Without rules it is the world that it wraps.
envSuite('faulty', createFixture);
processesSuite('faulty', createFixture);

const promise = promises('faulty', createFixture);

promise('a rule hits the calls that it counts, by act and subject', async ({ env: real, directory }) => {
  const rule = { act: 'file.write', subject: /pack$/, after: 1, count: 2, fault: { errno: 'ENOSPC' } };
  const { env, calls, injected } = faultyEnv(real, { rules: [rule] });
  const pack = await env.files.open(`${directory}/pack`, 'w');
  const other = await env.files.open(`${directory}/other`, 'w');
  await pack.write(utf8('a'), 0);
  await refusedWith('ENOSPC', pack.write(utf8('b'), 1));
  await other.write(utf8('c'), 0);
  await refusedWith('ENOSPC', pack.write(utf8('d'), 1));
  await pack.write(utf8('e'), 1);
  await pack.close();
  await other.close();
  assert.equal(fromUtf8(await env.files.readFile(`${directory}/pack`, 9)), 'ae');
  assert.deepEqual(
    injected.map((call) => call.number),
    [4, 6],
  );
  assert.equal(calls.length, 10);
});

promise('a write can be torn', async ({ env: real, directory }) => {
  const rules = [{ act: 'file.write', fault: { bytesWritten: 3, errno: 'EIO' } }];
  const { env } = faultyEnv(real, { rules });
  const file = await env.files.open(`${directory}/f`, 'w');
  await refusedWith('EIO', file.write(utf8('whole'), 0));
  await file.close();
  assert.equal(fromUtf8(await env.files.readFile(`${directory}/f`, 9)), 'who');
});

promise('a close that is refused has given the descriptor back', async ({ env: real, directory }) => {
  const { env } = faultyEnv(real, { rules: [{ act: 'file.close', fault: { errno: 'EIO' } }] });
  const file = await env.files.open(`${directory}/f`, 'w');
  await refusedWith('EIO', file.close());
  await refusedWith('EBADF', file.stat());
});

promise('a killed world does nothing and answers nothing any more', async ({ env: real, directory }) => {
  const { onCall, killed } = killAt(2);
  const { env } = faultyEnv(real, { onCall });
  await env.files.makeDirectory(`${directory}/one`);
  let isSettled = false;
  void env.files.makeDirectory(`${directory}/two`).finally(() => {
    isSettled = true;
  });
  assert.deepEqual(await killed, { number: 2, act: 'files.makeDirectory', subject: `${directory}/two` });
  await real.clock.sleep(20);
  assert.deepEqual(await real.files.list(directory), ['one']);
  assert.ok(!isSettled);
});
