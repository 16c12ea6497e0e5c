import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { collect } from '../../test/support/collect.ts';
import { fakeWorld, json } from '../../test/support/fake-guest.ts';
import type { FakeWorld } from '../../test/support/fake-guest.ts';
import { settle } from '../../test/support/manual-clock.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import type { ErrorCode } from '../base/error-codes.ts';
import { frameTypes } from './frame.ts';
import type { GuestSession, SessionEvent } from './guest-agent.ts';
import {
  GUEST_CALL_TIMEOUT_MS,
  REQUESTS_IN_FLIGHT_MAX,
  REQUESTS_WAITING_MAX,
  SESSION_WINDOW_BYTES,
  TRANSFER_STALL_MS,
} from './limits.ts';
import { streams } from './payloads.ts';

const is =
  (...codes: readonly ErrorCode[]) =>
  (error: unknown): boolean =>
    isKelpieError(error, ...codes);

async function startedSession({ agent, guest }: FakeWorld): Promise<GuestSession> {
  const starting = agent.startSession({ argv: ['true'], stdin: true });
  await guest.answer(await guest.nextRequest(), { session: 5, pid: 50 });
  return starting;
}

async function nextEvent(iterator: AsyncIterator<SessionEvent>): Promise<SessionEvent> {
  const next = await iterator.next();
  if (next.done === true) assert.fail('the events have ended');
  return next.value;
}

async function* chunks(...all: readonly Bytes[]): AsyncGenerator<Bytes> {
  yield* all;
}

suite('calls', () => {
  test('are answered in any order', async () => {
    const { agent, guest } = await fakeWorld();
    const stat = agent.stat('/a');
    const list = agent.listSessions();
    const first = await guest.nextRequest();
    const second = await guest.nextRequest();
    await guest.answer(second, { sessions: [] });
    await guest.answer(first, { type: 'other', sizeBytes: 1, mode: 2, uid: 3, gid: 4, modifiedAtUnixMs: 5 });
    assert.deepEqual(await list, []);
    assert.equal((await stat).type, 'other');
    agent.close();
  });

  test('keep to the bound in flight, and a call that timed out keeps its place until its answer', async () => {
    const { agent, guest, clock } = await fakeWorld();
    const calls = Array.from({ length: REQUESTS_IN_FLIGHT_MAX + 1 }, () => agent.sync());
    const requests = [];
    for (let count = 0; count < REQUESTS_IN_FLIGHT_MAX; count += 1) requests.push(await guest.nextRequest());
    const last = agent.stat('/late');
    const lastFails = assert.rejects(last, is('guest_unreachable'));
    await clock.advance(GUEST_CALL_TIMEOUT_MS);
    await lastFails;
    for (const request of requests) await guest.answer(request, {});
    await guest.answer(await guest.nextRequest(), {});
    await Promise.all(calls);

    const slow = assert.rejects(agent.health(), is('guest_unreachable'));
    const request = await guest.nextRequest();
    await clock.advance(GUEST_CALL_TIMEOUT_MS);
    await slow;
    await guest.refuse(request, 3, 'os', 5);
    const next = agent.sync();
    await guest.answer(await guest.nextRequest(), {});
    await next;
    agent.close();
    await settle();
    assert.equal(clock.sleeping, 0);
  });

  test('are refused here when they are too many or too long', async () => {
    const { agent } = await fakeWorld();
    await assert.rejects(agent.stat('x'.repeat(40_000)), is('limit_exceeded'));
    const many = Array.from({ length: REQUESTS_IN_FLIGHT_MAX + REQUESTS_WAITING_MAX }, () => agent.sync());
    await assert.rejects(agent.sync(), is('limit_exceeded'));
    agent.close();
    for (const outcome of await Promise.allSettled(many)) {
      assert.ok(outcome.status === 'rejected' && is('guest_unreachable')(outcome.reason));
    }
    await assert.rejects(agent.health(), is('guest_unreachable'));
  });

  test('tell what a refusal means', async () => {
    const { agent, guest } = await fakeWorld();
    const cases: readonly [() => Promise<unknown>, number, string, number | undefined, ErrorCode][] = [
      [() => agent.startSession({ argv: ['x'] }), 4, 'not_executable', 2, 'command_not_executable'],
      [
        () => agent.startSession({ argv: ['x'], user: 'nobody-there' }),
        1,
        'not_found',
        undefined,
        'invalid_argument',
      ],
      [() => agent.attachSession(3), 1, 'not_found', undefined, 'session_not_found'],
      [() => agent.attachSession(3), 5, 'conflict', undefined, 'invalid_state'],
      [() => agent.readFile('/x'), 1, 'not_found', undefined, 'file_not_found'],
      [() => agent.stat('/x'), 3, 'os', 2, 'file_not_found'],
      [() => agent.stat('/x'), 3, 'os', 13, 'guest_failed'],
      [() => agent.startDetached({ argv: [] }), -32602, 'invalid_params', undefined, 'invalid_argument'],
      [() => agent.sync(), 2, 'busy', undefined, 'guest_failed'],
      [
        () => agent.repair({ unixNs: () => 1n, seed: new Uint8Array(32), generation: 8 }),
        3,
        'os',
        1,
        'guest_repair_failed',
      ],
    ];
    for (const [call, code, reason, errno, expected] of cases) {
      const refused = assert.rejects(call(), is(expected), reason);
      await guest.refuse(await guest.nextRequest(), code, reason, errno);
      await refused;
    }
    agent.close();
  });

  test('send the time of the moment that they leave', async () => {
    const { agent, guest } = await fakeWorld();
    const hold = await agent.quiesce(1000);
    let now = 1n;
    const repairing = agent.repair({ unixNs: () => now, seed: new Uint8Array(32).fill(1), generation: 8 });
    await settle();
    now = 1_700_000_000_123_456_789n;
    hold.release();
    const request = await guest.nextRequest();
    assert.equal(request.params['unixNs'], '1700000000123456789');
    assert.equal(request.params['seed'], btoa('\u0001'.repeat(32)));
    await guest.answer(request, { clockStepMs: -3.5, generation: 8 });
    assert.deepEqual(await repairing, { clockStepMs: -3.5, generation: 8 });

    const lying = assert.rejects(
      agent.repair({ unixNs: () => now, seed: new Uint8Array(32), generation: 9 }),
      is('guest_repair_failed'),
    );
    await guest.answer(await guest.nextRequest(), { clockStepMs: 0, generation: 8 });
    await lying;
    agent.close();
  });

  test('are quiet after quiesce, which does not wait for ever', async () => {
    const { agent, guest, clock } = await fakeWorld();
    const pending = agent.sync();
    const request = await guest.nextRequest();
    const tooShort = assert.rejects(agent.quiesce(100), is('timeout'));
    await clock.advance(100);
    await tooShort;
    const quieting = agent.quiesce(100);
    await guest.answer(request, {});
    const hold = await quieting;
    await pending;
    const held = agent.sync();
    let isSent = false;
    const sent = guest.nextRequest().then((next) => {
      isSent = true;
      return next;
    });
    await settle();
    assert.equal(isSent, false);
    hold.release();
    hold.release();
    await guest.answer(await sent, {});
    await held;
    agent.close();
  });
});

suite('a guest that breaks the rules ends its connection', () => {
  const lies: Readonly<Record<string, (world: FakeWorld) => Promise<void>>> = {
    'an answer to nothing': ({ guest }) =>
      guest.send(frameTypes.response, json({ jsonrpc: '2.0', id: 77, result: {} })),
    'an answer that is not JSON': ({ guest }) => guest.send(frameTypes.response, utf8('{"jsonrpc"')),
    'an answer that is not UTF-8': ({ guest }) =>
      guest.send(frameTypes.response, new Uint8Array([0x22, 0xff, 0x22])),
    'an answer nested without end': ({ guest }) => guest.send(frameTypes.response, utf8('['.repeat(32_000))),
    'an answer with neither result nor error': ({ guest }) =>
      guest.send(frameTypes.response, json({ jsonrpc: '2.0', id: 1 })),
    'an unknown event': ({ guest }) => guest.event('exec.sang', { session: 5 }),
    'a welcome in between': ({ guest }) => guest.welcome(new Uint8Array(16)),
    'data for no channel': ({ guest }) => guest.data(1234, streams.stdout, 0, utf8('x')),
    'data with a gap': ({ guest }) => guest.data(5, streams.stdout, 1, utf8('x')),
    'data without bytes': ({ guest }) => guest.data(5, streams.stdout, 0, utf8('')),
    'data on stdin': ({ guest }) => guest.data(5, streams.stdin, 0, utf8('x')),
    'a false end': ({ guest }) => guest.end(5, streams.stdout, 3),
    'credit for output': ({ guest }) => guest.credit(5, streams.stderr, 3),
    'an exit before the end': ({ guest }) => guest.event('exec.exited', { session: 5, exit: { code: 0 } }),
    'a transfer event for a session': ({ guest }) => guest.event('file.failed', { channel: 5, reason: 'os' }),
    'an impossible exit': async ({ guest }) => {
      await guest.end(5, streams.stdout, 0);
      await guest.end(5, streams.stderr, 0);
      await guest.event('exec.exited', { session: 5, exit: { code: 4711 } });
    },
    garbage: ({ guest }) => guest.sendRaw(utf8('login: ')),
  };
  for (const [name, lie] of Object.entries(lies)) {
    test(name, async () => {
      const world = await fakeWorld();
      const session = await startedSession(world);
      const reading = collect(session.events);
      const pending = assert.rejects(world.agent.health(), is('guest_protocol_error'));
      const unread = assert.rejects(reading, is('guest_protocol_error'));
      await lie(world);
      assert.ok(is('guest_protocol_error')(await world.agent.closed));
      await Promise.all([pending, unread]);
      await assert.rejects(world.agent.health(), is('guest_unreachable'));
      await assert.rejects(session.writeStdin(utf8('x')), is('guest_protocol_error'));
      await settle();
      assert.equal(world.clock.sleeping, 0);
    });
  }

  test('more output than was credited', async () => {
    const world = await fakeWorld();
    await startedSession(world);
    const piece = new Uint8Array(16 * 1024);
    for (let offset = 0; offset < SESSION_WINDOW_BYTES; offset += piece.byteLength) {
      await world.guest.data(5, streams.stdout, offset, piece);
    }
    await world.guest.data(5, streams.stdout, SESSION_WINDOW_BYTES, utf8('x'));
    assert.ok(is('guest_protocol_error')(await world.agent.closed));
  });

  test('a session number that is attached already', async () => {
    const world = await fakeWorld();
    await startedSession(world);
    const again = assert.rejects(startedSession(world), is('guest_protocol_error'));
    await again;
    assert.ok(is('guest_protocol_error')(await world.agent.closed));
  });
});

suite('a session', () => {
  test('gives output in order with its end and exit, and credit as it is read', async () => {
    const world = await fakeWorld();
    const { agent, guest } = world;
    const session = await startedSession(world);
    const half = new Uint8Array(SESSION_WINDOW_BYTES / 8).fill(65);
    for (let index = 0; index < 4; index += 1) {
      await guest.data(5, streams.stdout, index * half.byteLength - index * 16, half.subarray(16));
    }
    await guest.data(5, streams.stderr, 0, utf8('no'));
    const iterator = session.events[Symbol.asyncIterator]();
    let read = 0;
    for (let index = 0; index < 4; index += 1) {
      const event = await nextEvent(iterator);
      assert.ok(event.kind === 'output' && event.stream === 'stdout' && event.offset === read);
      read += event.bytes.byteLength;
    }
    const credit = await guest.nextChannelFrame(frameTypes.credit);
    assert.equal(credit.header.stream, streams.stdout);
    assert.ok(
      credit.header.position > SESSION_WINDOW_BYTES && credit.header.position <= read + SESSION_WINDOW_BYTES,
    );
    await guest.end(5, streams.stdout, read);
    await guest.end(5, streams.stderr, 2);
    await guest.event('exec.exited', { session: 5, exit: { signal: 9, timedOut: true } });
    assert.deepEqual(await nextEvent(iterator), {
      kind: 'output',
      stream: 'stderr',
      offset: 0,
      bytes: utf8('no'),
    });
    assert.deepEqual(await nextEvent(iterator), { kind: 'end', stream: 'stdout', offset: read });
    assert.deepEqual(await nextEvent(iterator), { kind: 'end', stream: 'stderr', offset: 2 });
    assert.deepEqual(await nextEvent(iterator), { kind: 'exit', exit: { signal: 9, timedOut: true } });
    assert.equal((await iterator.next()).done, true);
    await assert.rejects(session.writeStdin(utf8('x')), is('invalid_state'));
    assert.throws(() => session.events[Symbol.asyncIterator](), is('invalid_state'));
    await session.detach();
    agent.close();
  });

  test('joins single bytes, so that they cannot fill the host with objects', async () => {
    const world = await fakeWorld();
    const session = await startedSession(world);
    const offsets = { stdout: 0, stderr: 0 };
    for (let index = 0; index < 4000; index += 1) {
      const name = index % 2 === 0 ? 'stdout' : 'stderr';
      await world.guest.data(5, streams[name], offsets[name], new Uint8Array([offsets[name] & 255]));
      offsets[name] += 1;
    }
    for (const name of ['stdout', 'stderr'] as const) await world.guest.end(5, streams[name], 2000);
    await world.guest.event('exec.exited', { session: 5, exit: { code: 0 } });
    await settle();
    const read = { stdout: 0, stderr: 0 };
    let count = 0;
    for await (const event of session.events) {
      count += 1;
      if (event.kind !== 'output') continue;
      assert.equal(event.offset, read[event.stream]);
      event.bytes.forEach((byte, index) => assert.equal(byte, (event.offset + index) & 255));
      read[event.stream] += event.bytes.byteLength;
    }
    assert.deepEqual(read, offsets);
    assert.ok(count < 80, `${count} events`);
    world.agent.close();
  });

  test('writes stdin within the credit, in order, with its end behind', async () => {
    const world = await fakeWorld();
    const { guest } = world;
    const session = await startedSession(world);
    await guest.credit(5, streams.stdin, 3);
    const writing = Promise.all([
      session.writeStdin(utf8('abcde')),
      session.writeStdin(utf8('fg')),
      session.endStdin(),
    ]);
    const first = await guest.nextChannelFrame(frameTypes.data);
    assert.deepEqual([first.header.position, fromUtf8(first.bytes)], [0, 'abc']);
    await guest.credit(5, streams.stdin, 2);
    await guest.credit(5, streams.stdin, 100);
    const second = await guest.nextChannelFrame(frameTypes.data);
    assert.deepEqual([second.header.position, fromUtf8(second.bytes)], [3, 'de']);
    const third = await guest.nextChannelFrame(frameTypes.data);
    assert.deepEqual([third.header.position, fromUtf8(third.bytes)], [5, 'fg']);
    assert.equal((await guest.nextChannelFrame(frameTypes.end)).header.position, 7);
    await writing;
    await session.endStdin();
    await assert.rejects(session.writeStdin(utf8('x')), is('invalid_state'));
    world.agent.close();
  });

  test('is detached by leaving its events, and what is still under way does no harm', async () => {
    const world = await fakeWorld();
    const { guest } = world;
    const session = await startedSession(world);
    const blocked = assert.rejects(session.writeStdin(utf8('x')), is('invalid_state'));
    await guest.data(5, streams.stdout, 0, utf8('one'));
    const leaving = (async () => {
      for await (const event of session.events) return event.kind;
      return 'nothing';
    })();
    const request = await guest.nextRequest();
    assert.deepEqual([request.method, request.params], ['exec.detach', { session: 5 }]);
    await guest.data(5, streams.stdout, 3, utf8('two'));
    await guest.answer(request, {});
    assert.equal(await leaving, 'output');
    await blocked;
    await session.detach();

    const attaching = world.agent.attachSession(5, { stdout: 3 });
    const attach = await guest.nextRequest();
    assert.equal(attach.params['stdoutOffset'], 3);
    await guest.answer(attach, {
      stdoutOffset: 3,
      stderrOffset: 0,
      stdinOffset: 9,
      stdinLimit: 20,
      running: true,
      exit: null,
    });
    const again = await attaching;
    assert.deepEqual([again.offsets, again.stdinOffset, again.pid], [{ stdout: 3, stderr: 0 }, 9, null]);
    const credits = [
      await guest.nextChannelFrame(frameTypes.credit),
      await guest.nextChannelFrame(frameTypes.credit),
    ];
    assert.deepEqual(
      credits.map(({ header }) => header.position),
      [3 + SESSION_WINDOW_BYTES, SESSION_WINDOW_BYTES],
    );
    await again.writeStdin(utf8('z'));
    assert.equal((await guest.nextChannelFrame(frameTypes.data)).header.position, 9);
    world.agent.close();
  });

  test('that starts after its call timed out is detached', async () => {
    const { agent, guest, clock } = await fakeWorld();
    const late = assert.rejects(agent.startSession({ argv: ['true'] }), is('guest_unreachable'));
    const request = await guest.nextRequest();
    await clock.advance(GUEST_CALL_TIMEOUT_MS);
    await late;
    await guest.answer(request, { session: 6, pid: 1 });
    await guest.data(6, streams.stdout, 0, utf8('unread'));
    const detach = await guest.nextRequest();
    assert.deepEqual([detach.method, detach.params], ['exec.detach', { session: 6 }]);
    await guest.answer(detach, {});
    const next = agent.sync();
    await guest.answer(await guest.nextRequest(), {});
    await next;
    agent.close();
  });

  test('keeps what came before the connection ended', async () => {
    const world = await fakeWorld();
    const session = await startedSession(world);
    await world.guest.data(5, streams.stdout, 0, utf8('last words'));
    await settle();
    world.guest.close();
    assert.ok(is('guest_unreachable')(await world.agent.closed));
    const iterator = session.events[Symbol.asyncIterator]();
    const event = await nextEvent(iterator);
    assert.ok(event.kind === 'output' && fromUtf8(event.bytes) === 'last words');
    await assert.rejects(iterator.next(), is('guest_unreachable'));
    await session.detach();
  });
});

suite('a file', () => {
  const facts = { sizeBytes: 3, mode: 0o644, uid: 0, gid: 0, modifiedAtUnixMs: 1 };

  test('is read to its end', async () => {
    const { agent, guest } = await fakeWorld();
    const reading = agent.readFile('/a');
    const request = await guest.nextRequest();
    const channel = Number(request.params['channel']);
    assert.ok(channel >= 0x8000_0000);
    await guest.answer(request, facts);
    await guest.data(channel, streams.stdout, 0, utf8('abc'));
    await guest.end(channel, streams.stdout, 3);
    const { info, bytes } = await reading;
    assert.deepEqual(info, { type: 'file', ...facts });
    const parts = await collect(bytes);
    assert.equal(parts.map(fromUtf8).join(''), 'abc');
    agent.close();
  });

  test('that is left early, fails or stands still is given up', async () => {
    const { agent, guest, clock } = await fakeWorld();
    const open = async (): Promise<{ bytes: AsyncIterable<Bytes>; channel: number }> => {
      const reading = agent.readFile('/a');
      const request = await guest.nextRequest();
      await guest.answer(request, facts);
      return { bytes: (await reading).bytes, channel: Number(request.params['channel']) };
    };
    const left = await open();
    const iterator = left.bytes[Symbol.asyncIterator]();
    const leaving = iterator.return?.();
    const abort = await guest.nextRequest();
    assert.deepEqual([abort.method, abort.params], ['file.abort', { channel: left.channel }]);
    await guest.answer(abort, {});
    await leaving;

    const failed = await open();
    await guest.event('file.failed', { channel: failed.channel, reason: 'os', errno: 5 });
    await assert.rejects(collect(failed.bytes), is('guest_failed'));

    const stalled = await open();
    const rejected = assert.rejects(collect(stalled.bytes), is('guest_unreachable'));
    await clock.advance(TRANSFER_STALL_MS);
    await guest.answer(await guest.nextRequest(), {});
    await rejected;
    agent.close();
  });

  test('is written, and committed only when all of it went', async () => {
    const { agent, guest } = await fakeWorld();
    const writing = agent.writeFile(
      { path: '/a', mode: 0o600, parents: true },
      chunks(utf8('ab'), utf8('cd')),
    );
    const request = await guest.nextRequest();
    const channel = Number(request.params['channel']);
    assert.deepEqual(request.params, { channel, path: '/a', mode: 0o600, parents: true });
    await guest.answer(request, {});
    await guest.credit(channel, streams.stdin, 100);
    assert.equal(fromUtf8((await guest.nextChannelFrame(frameTypes.data)).bytes), 'ab');
    assert.equal(fromUtf8((await guest.nextChannelFrame(frameTypes.data)).bytes), 'cd');
    assert.equal((await guest.nextChannelFrame(frameTypes.end)).header.position, 4);
    const commit = await guest.nextRequest();
    assert.equal(commit.method, 'file.commit');
    await guest.answer(commit, { sizeBytes: 4 });
    assert.deepEqual(await writing, { sizeBytes: 4 });
    agent.close();
  });

  test('whose source or target fails is aborted', async () => {
    const { agent, guest } = await fakeWorld();
    const broken = async function* (): AsyncGenerator<Bytes> {
      yield utf8('ab');
      throw new Error('the source broke');
    };
    const failing = assert.rejects(agent.writeFile({ path: '/a' }, broken()), /the source broke/);
    const request = await guest.nextRequest();
    await guest.answer(request, {});
    await guest.credit(Number(request.params['channel']), streams.stdin, 100);
    await guest.nextChannelFrame(frameTypes.data);
    const abort = await guest.nextRequest();
    assert.equal(abort.method, 'file.abort');
    await guest.answer(abort, {});
    await failing;

    const full = assert.rejects(agent.writeFile({ path: '/b' }, chunks(utf8('ab'))), is('guest_failed'));
    const second = await guest.nextRequest();
    await guest.answer(second, {});
    await guest.event('file.failed', { channel: Number(second.params['channel']), reason: 'os', errno: 28 });
    await full;
    agent.close();
  });

  test('of which the guest kept another length is a lie', async () => {
    const { agent, guest } = await fakeWorld();
    const writing = assert.rejects(agent.writeFile({ path: '/a' }, chunks()), is('guest_protocol_error'));
    await guest.answer(await guest.nextRequest(), {});
    assert.equal((await guest.nextChannelFrame(frameTypes.end)).header.position, 0);
    await guest.answer(await guest.nextRequest(), { sizeBytes: 1 });
    await writing;
    assert.ok(is('guest_protocol_error')(await agent.closed));
  });
});
