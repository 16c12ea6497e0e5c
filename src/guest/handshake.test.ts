import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { FakeGuest, answerFrame, checksum, guestEnv, welcomeFrame } from '../../test/support/fake-guest.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { memoryConnectionPair } from '../../test/support/memory-connection.ts';
import { concat } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import { SystemError } from '../env/system-error.ts';
import { connectGuestAgent } from './connect-guest-agent.ts';
import { encodeFrame, frameTypes } from './frame.ts';
import type { GuestAgent } from './guest-agent.ts';
import { WelcomeScanner } from './handshake.ts';
import { CONNECT_TIMEOUT_MS_DEFAULT, HANDSHAKE_DISCARD_BYTES_MAX, HELLO_RETRY_MS } from './limits.ts';

const staleNonce = new Uint8Array(16).fill(9);
const isUnreachable = (error: unknown): boolean => isKelpieError(error, 'guest_unreachable');
const isTyped = (error: unknown): boolean => isKelpieError(error, 'guest_protocol_error');

interface Greeted {
  readonly connecting: Promise<GuestAgent>;
  readonly guest: FakeGuest;
  readonly clock: ManualClock;
}

function beginGreeting(signal?: AbortSignal): Greeted {
  const clock = new ManualClock();
  const [host, far] = memoryConnectionPair();
  const options = signal === undefined ? {} : { signal };
  return {
    connecting: connectGuestAgent(guestEnv(clock), async () => host, options),
    guest: new FakeGuest(far),
    clock,
  };
}

suite('a greeting', () => {
  test('discards stale bytes of every kind and goes on with what follows', async () => {
    const { connecting, guest, clock } = beginGreeting();
    const nonce = await guest.nextHello();
    const welcome = welcomeFrame(nonce);
    await guest.sendRaw(answerFrame(4, {}));
    await guest.sendRaw(
      encodeFrame(checksum, frameTypes.data, new Uint8Array(9000).fill(0x4b)).subarray(0, 7000),
    );
    await guest.sendRaw(concat([welcomeFrame(staleNonce), welcome.subarray(0, 30), welcome.subarray(0, 51)]));
    const corrupt = welcome.slice();
    corrupt[30] = 0xff;
    await guest.sendRaw(corrupt);
    for (const byte of welcome) await guest.sendRaw(new Uint8Array([byte]));
    const agent = await connecting;
    assert.equal(agent.generation, 7);
    assert.equal(agent.bootId, '00'.repeat(16));
    const syncing = agent.sync();
    await guest.answer(await guest.nextRequest(), {});
    await syncing;
    agent.close();
    await clock.advance(0);
    assert.equal(clock.sleeping, 0);
  });

  test('is tried again with a new nonce, and only the newest counts', async () => {
    const { connecting, guest, clock } = beginGreeting();
    const first = await guest.nextHello();
    await clock.advance(HELLO_RETRY_MS);
    const second = await guest.nextHello();
    assert.notDeepEqual(first, second);
    await clock.advance(HELLO_RETRY_MS * 2);
    const third = await guest.nextHello();
    await guest.welcome(first);
    await guest.welcome(second);
    await guest.welcome(third);
    (await connecting).close();
  });

  test('takes an answer behind the welcome in the same piece', async () => {
    const { connecting, guest } = beginGreeting();
    const nonce = await guest.nextHello();
    await guest.sendRaw(concat([welcomeFrame(nonce), answerFrame(99, {})]));
    const agent = await connecting;
    // The answer was not asked for, so that it was read shows in the end of the connection.
    assert.ok(isTyped(await agent.closed));
  });

  test('refuses another version, and a guest that never stops', async () => {
    const other = beginGreeting();
    await other.guest.sendRaw(welcomeFrame(await other.guest.nextHello(), 2));
    await assert.rejects(other.connecting, isTyped);

    const scanner = new WelcomeScanner(checksum);
    scanner.expect(staleNonce);
    const noise: Bytes = new Uint8Array(1024 * 1024).fill(0x4b);
    for (let sent = 0; sent < HANDSHAKE_DISCARD_BYTES_MAX; sent += noise.byteLength) {
      assert.equal(scanner.scan(noise), null);
    }
    assert.throws(() => scanner.scan(noise), isTyped);
  });

  test('ends at the deadline and with the signal', async () => {
    const late = beginGreeting();
    const ended = assert.rejects(late.connecting, isUnreachable);
    await late.clock.advance(CONNECT_TIMEOUT_MS_DEFAULT);
    await ended;
    assert.equal(late.clock.sleeping, 0);

    const controller = new AbortController();
    const canceled = beginGreeting(controller.signal);
    const rejected = assert.rejects(canceled.connecting, /enough/);
    await canceled.guest.nextHello();
    controller.abort(new Error('enough'));
    await rejected;
    await canceled.clock.advance(0);
    assert.equal(canceled.clock.sleeping, 0);
  });

  test('opens again while the stream is refused or ends, but not after a final error', async () => {
    const clock = new ManualClock();
    const [host, far] = memoryConnectionPair();
    const [ending, otherEnd] = memoryConnectionPair();
    otherEnd.close();
    const outcomes = [new SystemError('ECONNREFUSED', 'connect', 'agent'), ending, host];
    const connecting = connectGuestAgent(guestEnv(clock), async () => {
      const outcome = outcomes.shift();
      if (outcome === undefined || outcome instanceof Error) throw outcome ?? new Error('opened too often');
      return outcome;
    });
    const guest = new FakeGuest(far);
    const hello = guest.nextHello();
    for (let turn = 0; turn < 10; turn += 1) await clock.advance(50);
    await guest.welcome(await hello);
    (await connecting).close();

    const failing = connectGuestAgent(guestEnv(clock), () => Promise.reject(new Error('the VM is gone')));
    await assert.rejects(failing, /the VM is gone/);
  });
});
