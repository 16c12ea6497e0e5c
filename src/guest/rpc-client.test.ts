import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fakeWorld, is } from '../../test/support/fake-guest.ts';
import { settle } from '../../test/support/manual-clock.ts';
import type { ErrorCode } from '../base/error-codes.ts';
import { GUEST_CALL_TIMEOUT_MS, REQUESTS_IN_FLIGHT_MAX, REQUESTS_WAITING_MAX } from './limits.ts';

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
