import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Env } from '../../env/env.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { endSlirp, slirpLog } from './slirp.ts';

const node = createNodeEnv();

let runDirectory: string;
before(async () => {
  runDirectory = await mkdtemp(join(tmpdir(), 'kelpie-slirp-'));
});
after(async () => await rm(runDirectory, { recursive: true }));

/** A host with these processes. @returns who is ended, by number; null: nobody looked. */
async function ended(commandLines: readonly (readonly string[])[]): Promise<readonly number[] | null> {
  const killed: number[] = [];
  let isAsked = false;
  const processes: Env['processes'] = {
    ...node.processes,
    list: async () => {
      isAsked = true;
      return commandLines.map((args, index) => ({ identity: { pid: index, startedAt: '0' }, args }));
    },
    isAlive: async ({ pid }) => !killed.includes(pid),
    adopt: async (identity: ProcessIdentity) => ({
      identity,
      wait: async () => undefined,
      kill: () => void killed.push(identity.pid),
    }),
  };
  await endSlirp({ ...node, processes }, runDirectory);
  return isAsked ? killed : null;
}

test('that of the VM is found by its socket, and no other is ended', async () => {
  const socket = join(runDirectory, 'net.sock');
  const lines = [
    ['slirp4netns', '--api-socket', `${socket}2`, '5', 'slirp0'],
    ['slirp4netns', '--api-socket', socket, '6', 'slirp0'],
    ['grep', `.*${socket}`],
  ];
  assert.equal(await ended(lines), null, 'a VM that has no log of it has none');
  await writeFile(slirpLog(runDirectory), '');
  assert.deepEqual(await ended(lines), [1]);
  assert.deepEqual(await ended([]), []);
});
