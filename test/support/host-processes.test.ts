import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { isAlive, killAll } from './host-processes.ts';
import type { HostProcess } from './host-processes.ts';

test('what has ended since it was found does not keep the others from being killed', async () => {
  const [ended, lives] = ['0', '1e9'].map((seconds) => spawn('sleep', [seconds], { stdio: 'ignore' }));
  assert.ok(ended?.pid !== undefined && lives?.pid !== undefined);
  await once(ended, 'exit');
  const found = [ended.pid, lives.pid].map((pid): HostProcess => ({ pid, args: ['sleep'] }));
  const over = once(lives, 'exit');
  assert.equal(killAll(found), true);
  await over;
  assert.equal(await isAlive(lives.pid), false);
  assert.equal(killAll(found), false, 'there was none any more');
});
