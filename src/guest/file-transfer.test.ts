import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { collect } from '../../test/support/collect.ts';
import { fakeWorld, is } from '../../test/support/fake-guest.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { frameTypes } from './frame.ts';
import { TRANSFER_STALL_MS } from './limits.ts';
import { streams } from './payloads.ts';

async function* chunks(...all: readonly Bytes[]): AsyncGenerator<Bytes> {
  yield* all;
}

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
