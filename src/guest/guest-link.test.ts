import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { collect } from '../../test/support/collect.ts';
import { fakeWorld, is, json, startedSession } from '../../test/support/fake-guest.ts';
import type { FakeWorld } from '../../test/support/fake-guest.ts';
import { settle } from '../../test/support/manual-clock.ts';
import { utf8 } from '../base/bytes.ts';
import { frameTypes } from './frame.ts';
import { SESSION_WINDOW_BYTES } from './limits.ts';
import { streams } from './payloads.ts';

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
