import assert from 'node:assert/strict';
import test from 'node:test';
import type { TestContext } from 'node:test';
import { ManualClock, settle } from '../../../test/support/manual-clock.ts';
import { connectedQmp } from '../../../test/support/qmp-far.ts';
import type { QmpFar } from '../../../test/support/qmp-far.ts';
import { goOnAfterFullDisk } from './full-disk.ts';
import { FULL_DISK_RETRY_MS } from './limits.ts';

const NO_ROOM =
  '{"event": "BLOCK_IO_ERROR", "data": {"device": "", "operation": "write", "action": "stop", "nospace": true}}';

interface Watched {
  readonly clock: ManualClock;
  readonly far: QmpFar;
  readonly ending: AbortController;
  isToRun: boolean;
}

async function watched(context: TestContext): Promise<Watched> {
  const clock = new ManualClock();
  const { client, far } = await connectedQmp(clock);
  const ending = new AbortController();
  const world: Watched = { clock, far, ending, isToRun: true };
  goOnAfterFullDisk(clock, client, () => world.isToRun, ending.signal);
  context.after(() => {
    ending.abort(new Error('the test is over'));
    client.close();
  });
  return world;
}

/** The event has been taken when the sleep has begun. */
async function findsNoRoom({ far, clock }: Watched, sleepingWanted = 1): Promise<void> {
  await far.say(NO_ROOM);
  while (clock.sleeping < sleepingWanted) await settle();
}

test('a guest that stands still for want of room is told to go on, as often as it happens', async (context) => {
  const world = await watched(context);
  for (let time = 0; time < 3; time += 1) {
    await findsNoRoom(world);
    await world.clock.advance(FULL_DISK_RETRY_MS);
    const { execute, id } = await world.far.hear();
    assert.equal(execute, 'cont');
    await world.far.say(`{"return": {}, "id": ${id}}`);
    await settle();
  }
});

test('several writes that found no room are one try', async (context) => {
  const world = await watched(context);
  await world.far.say(NO_ROOM, NO_ROOM, NO_ROOM);
  while (world.clock.sleeping === 0) await settle();
  await settle();
  assert.equal(world.clock.sleeping, 1);
});

test('a VM that is not to run stays as it is until it is', async (context) => {
  const world = await watched(context);
  world.isToRun = false;
  await findsNoRoom(world);
  let heard: string | null = null;
  const hearing = world.far.hear().then(({ execute }) => (heard = execute));
  for (let time = 0; time < 5; time += 1) await world.clock.advance(FULL_DISK_RETRY_MS);
  assert.equal(heard, null);
  world.isToRun = true;
  await world.clock.advance(FULL_DISK_RETRY_MS);
  assert.equal(await hearing, 'cont');
});

test('a refusal is tried again, until nobody watches any more', async (context) => {
  const world = await watched(context);
  await findsNoRoom(world);
  await world.clock.advance(FULL_DISK_RETRY_MS);
  const { id } = await world.far.hear();
  await world.far.say(`{"error": {"class": "GenericError", "desc": "not now"}, "id": ${id}}`);
  // The command's own time limit sleeps too, until its answer is there.
  await settle();
  await world.clock.advance(FULL_DISK_RETRY_MS);
  assert.equal((await world.far.hear()).execute, 'cont');
  world.ending.abort(new Error('the VM has ended'));
  await settle();
  assert.equal(world.clock.sleeping, 1, 'the last command waits for its answer, nobody else for anything');
});
