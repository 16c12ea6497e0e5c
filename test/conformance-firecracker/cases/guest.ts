import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { fromUtf8 } from '../../../src/base/bytes.ts';
import type { GuestAgent } from '../../../src/guest/guest-agent.ts';
import { outcomeOf } from '../../support/guest-commands.ts';
import { Skipped } from '../case.ts';
import type { Case, World } from '../case.ts';
import { done } from '../expect.ts';
import { guestAgent, openPort } from '../guest-link.ts';
import { configureLinux, loadRequest, pause, resume, snapshot } from '../machine.ts';
import type { Linux } from '../options.ts';
import type { UnderTest } from '../under-test.ts';

const UDS = 'v.sock';
/** A port on which no guest listens. */
const SILENT_PORT = 47_111;
/** After a restore the agent answers at once; two seconds are what a busy machine takes. */
const AGAIN_TIMEOUT_MS = 60_000;

/** `$ sh -c …` in the guest: what it printed. */
async function shell(agent: GuestAgent, command: string): Promise<string> {
  const session = await agent.startSession({ argv: ['/bin/sh', '-c', command] });
  const { stdout, exit } = await outcomeOf(session);
  assert.ok('code' in exit && exit.code === 0, `${command} failed`);
  return fromUtf8(stdout).trim();
}

async function bootWithAgent(
  world: World,
  guest: Linux,
): Promise<{ readonly one: UnderTest; readonly agent: GuestAgent }> {
  const one = await world.launch();
  done(await one.put('/vsock', { guest_cid: 3, uds_path: UDS }));
  done(await one.put('/entropy', {}));
  await configureLinux(one, guest);
  done(await one.put('/actions', { action_type: 'InstanceStart' }));
  return { one, agent: await guestAgent(one.path(UDS)) };
}

/** One boot for all: an emulated one takes seconds. Each step goes on where the one before ended. */
async function guestLife(world: World, guest: Linux): Promise<void> {
  const { one, agent } = await bootWithAgent(world, guest);
  assert.equal(await shell(agent, 'echo before > /run/mark; echo $((6 * 7))'), '42');
  assert.equal(await openPort(one.path(UDS), SILENT_PORT), null, 'nobody listens there');

  const open = await openPort(one.path(UDS), 9001);
  assert.ok(open !== null);
  await pause(one);
  await snapshot(one, 'base');
  await resume(one);
  open.resume();
  if (!open.destroyed) await once(open, 'close');

  const again = await guestAgent(one.path(UDS), AGAIN_TIMEOUT_MS);
  assert.equal(await shell(again, 'cat /run/mark'), 'before');
  await shell(again, 'echo after > /run/mark');
  again.close();
  await one.kill();

  const restored = await world.launch();
  // Firecracker leaves its socket behind.
  const path = restored.path(UDS);
  await rm(path, { force: true });
  done(await restored.put('/snapshot/load', loadRequest('base', { resume_vm: true })));
  const back = await guestAgent(path, AGAIN_TIMEOUT_MS);
  assert.equal(await shell(back, 'cat /run/mark'), 'before', 'the guest is as it was at the snapshot');
  assert.equal(back.bootId, agent.bootId);
  back.close();
  done(await restored.put('/actions', { action_type: 'SendCtrlAltDel' }));
  assert.equal(await restored.end(), 0, 'a guest that ends, ends the process');
}

export const guestCases: readonly Case[] = [
  {
    name: 'the guest agent answers over vsock, before, after and in a snapshot, and Ctrl-Alt-Del ends the guest',
    run: async (world) => {
      const { guest } = world.options;
      if (guest === null) throw new Skipped('--no-guest-agent');
      await guestLife(world, guest);
    },
  },
];
