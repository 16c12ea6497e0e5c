import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeWorld, is } from '../../test/support/fake-guest.ts';
import type { FakeGuest, FakeWorld } from '../../test/support/fake-guest.ts';
import { concat, fromUtf8, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { frameTypes } from '../guest/frame.ts';
import { streams } from '../guest/payloads.ts';
import { describeEnd, isSuccess, runInGuest } from './guest-command.ts';
import type { CommandEnd } from './guest-command.ts';
import { COMMAND_GRACE_MS } from './limits.ts';

const TIMEOUT_MS = 1000;
const STILL_MS = 400;
const SESSION = 5;

interface Running {
  readonly ended: Promise<CommandEnd>;
  readonly output: Bytes[];
  readonly abort: AbortController;
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes;
}

/** A command that the guest has started. */
async function start({ agent, guest, clock }: FakeWorld, input?: Bytes, stillMs?: number): Promise<Running> {
  const output: Bytes[] = [];
  const abort = new AbortController();
  const context = { agent, clock, signal: abort.signal };
  const request = {
    argv: ['tar'],
    timeoutMs: TIMEOUT_MS,
    ...(stillMs === undefined ? {} : { stillMs }),
    ...(input === undefined ? {} : { input: once(input) }),
  };
  const ended = runInGuest(context, request, async (bytes) => {
    for await (const part of bytes) output.push(part.slice());
  });
  ended.catch(() => undefined);
  const asked = await guest.nextRequest();
  assert.equal(asked.params['timeoutMs'], TIMEOUT_MS);
  await guest.answer(asked, { session: SESSION, pid: 50 });
  return { ended, output, abort };
}

async function end(guest: FakeGuest, exit: object, lengths = { stdout: 0, stderr: 0 }): Promise<void> {
  await guest.end(SESSION, streams.stdout, lengths.stdout);
  await guest.end(SESSION, streams.stderr, lengths.stderr);
  await guest.event('exec.exited', { session: SESSION, exit });
}

/** It is killed, and let go of. */
async function expectGivenUp(guest: FakeGuest): Promise<void> {
  for (const method of ['exec.signal', 'exec.detach']) {
    const request = await guest.nextRequest();
    assert.equal(request.method, method);
    await guest.answer(request, {});
  }
}

suite('a command of ours in a guest', () => {
  test('gives its output, and how it ended', async () => {
    const world = await fakeWorld();
    const { ended, output } = await start(world);
    await world.guest.data(SESSION, streams.stdout, 0, utf8('out'));
    await world.guest.data(SESSION, streams.stderr, 0, utf8('first\nlast \x07word\n'));
    await end(world.guest, { code: 2, timedOut: false }, { stdout: 3, stderr: 17 });
    const result = await ended;
    assert.equal(fromUtf8(concat(output)), 'out');
    assert.equal(isSuccess(result), false);
    assert.equal(describeEnd(result, TIMEOUT_MS), 'ended with status 2: last ?word');
    world.agent.close();
  });

  test('that neither ends nor is ended by its guest is given up', async () => {
    const world = await fakeWorld();
    const { ended } = await start(world);
    await world.clock.advance(TIMEOUT_MS + COMMAND_GRACE_MS);
    await expectGivenUp(world.guest);
    await assert.rejects(ended, is('timeout'));
    world.agent.close();
  });

  test('of which nothing moves is given up, when it is the guest that keeps us waiting', async () => {
    const world = await fakeWorld();
    const { ended } = await start(world, utf8('a long letter'), STILL_MS);
    await world.guest.credit(SESSION, streams.stdin, 6);
    await world.guest.nextChannelFrame(frameTypes.data);
    await world.clock.advance(STILL_MS - 1);
    // That it says something is a sign of life.
    await world.guest.data(SESSION, streams.stderr, 0, utf8('so far so good\n'));
    await world.clock.advance(0);
    await world.clock.advance(STILL_MS - 1);
    assert.equal(world.clock.sleeping > 0, true);
    await world.clock.advance(1);
    await expectGivenUp(world.guest);
    await assert.rejects(ended, is('timeout'));
    world.agent.close();
  });

  test('is given up when nobody waits for it any more', async () => {
    const world = await fakeWorld();
    const { ended, abort } = await start(world);
    abort.abort(new Error('Ctrl-C'));
    await expectGivenUp(world.guest);
    await assert.rejects(ended, is('canceled'));
    world.agent.close();
  });

  test('may end without having read all of its input', async () => {
    const world = await fakeWorld();
    const { ended } = await start(world, utf8('a long letter'));
    await world.guest.credit(SESSION, streams.stdin, 6);
    const first = await world.guest.nextChannelFrame(frameTypes.data);
    assert.equal(fromUtf8(first.bytes), 'a long');
    await end(world.guest, { code: 0, timedOut: false });
    assert.ok(isSuccess(await ended));
    world.agent.close();
  });

  test('fails with the connection', async () => {
    const world = await fakeWorld();
    const { ended } = await start(world);
    world.guest.close();
    await assert.rejects(ended, is('guest_unreachable'));
  });
});
