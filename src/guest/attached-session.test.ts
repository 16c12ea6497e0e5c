import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeWorld, is, startedSession } from '../../test/support/fake-guest.ts';
import { settle } from '../../test/support/manual-clock.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { frameTypes } from './frame.ts';
import type { SessionEvent } from './guest-agent.ts';
import { GUEST_CALL_TIMEOUT_MS, SESSION_WINDOW_BYTES } from './limits.ts';
import { streams } from './payloads.ts';

async function nextEvent(iterator: AsyncIterator<SessionEvent>): Promise<SessionEvent> {
  const next = await iterator.next();
  if (next.done === true) assert.fail('the events have ended');
  return next.value;
}

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

  test('drops what its command did not read or hear before it ended', async () => {
    const world = await fakeWorld();
    const { guest } = world;
    const session = await startedSession(world);
    // Without credit: it waits when the end comes.
    const unread = session.writeStdin(utf8('abc'));
    const late = [session.signal(2), session.resize({ rows: 24, columns: 80 })];
    await guest.refuse(await guest.nextRequest(), 5, 'conflict');
    await guest.refuse(await guest.nextRequest(), 1, 'not_found');
    await Promise.all(late);
    for (const stream of [streams.stdout, streams.stderr]) await guest.end(5, stream, 0);
    await guest.event('exec.exited', { session: 5, exit: { code: 3 } });
    await unread;
    await session.writeStdin(utf8('x'));
    await session.endStdin();
    const kinds = [];
    for await (const event of session.events) kinds.push(event.kind);
    assert.deepEqual(kinds, ['end', 'end', 'exit']);
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
