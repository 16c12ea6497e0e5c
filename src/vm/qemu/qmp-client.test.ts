import assert from 'node:assert/strict';
import test from 'node:test';
import { z } from 'zod';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeClock } from '../../env/node/clock.ts';
import { memoryConnectionPair } from '../../../test/support/memory-connection.ts';
import { connectedQmp } from '../../../test/support/qmp-far.ts';
import { QMP_LINE_BYTES_MAX } from './limits.ts';
import { QmpClient } from './qmp-client.ts';

const clock = createNodeClock();

const backendFailed = (error: unknown): boolean => isKelpieError(error, 'vm_backend_failed');

test('the greeting tells the version', async () => {
  const { client } = await connectedQmp(clock);
  assert.equal(client.version, '7.2.22 (Debian)');
  client.close();
});

test('answers find their commands in any order, between events', async () => {
  const { client, far } = await connectedQmp(clock);
  const events: string[] = [];
  const stopListening = client.onEvent((event) => events.push(event.name));
  const first = client.execute('first', { a: 1 }, z.number());
  const second = client.execute('second', null, z.string());
  const commands = [await far.hear(), await far.hear()];
  assert.deepEqual(
    commands.map(({ execute }) => execute),
    ['first', 'second'],
  );
  assert.deepEqual(commands[0]?.arguments, { a: 1 });
  await far.say(
    `{"return": "b", "id": ${commands[1]?.id ?? 0}}`,
    '{"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}',
    `{"return": 7, "id": ${commands[0]?.id ?? 0}}`,
  );
  assert.deepEqual(await Promise.all([first, second]), [7, 'b']);
  stopListening();
  await far.say('{"event": "RESUME"}');
  const third = client.execute('third', null, z.unknown());
  await far.say(`{"return": {}, "id": ${(await far.hear()).id}}`);
  await third;
  assert.deepEqual(events, ['STOP']);
  client.close();
});

test('a refusal carries the reason and leaves the connection usable', async () => {
  const { client, far } = await connectedQmp(clock);
  const refused = client.execute('cont', null, z.unknown());
  await far.say(`{"error": {"class": "GenericError", "desc": "no lock"}, "id": ${(await far.hear()).id}}`);
  await assert.rejects(refused, (error) => backendFailed(error) && String(error).includes('cont: no lock'));
  const next = client.execute('stop', null, z.object({}));
  await far.say(`{"return": {}, "id": ${(await far.hear()).id}}`);
  assert.deepEqual(await next, {});
  client.close();
});

test('an answer of another shape is refused', async () => {
  const { client, far } = await connectedQmp(clock);
  const asked = client.execute('query-status', null, z.object({ status: z.string() }));
  await far.say(`{"return": {"status": 4}, "id": ${(await far.hear()).id}}`);
  await assert.rejects(asked, backendFailed);
  client.close();
});

test('a command that is not answered fails in time, and its late answer disturbs nothing', async () => {
  const { client, far } = await connectedQmp(clock);
  const late = client.execute('slow', null, z.unknown(), 20);
  const { id } = await far.hear();
  await assert.rejects(late, (error) => backendFailed(error) && String(error).includes('20 ms'));
  await far.say(`{"return": {}, "id": ${id}}`);
  const next = client.execute('stop', null, z.object({}));
  await far.say(`{"return": {}, "id": ${(await far.hear()).id}}`);
  assert.deepEqual(await next, {});
  client.close();
});

test('the end of the stream fails what is under way and what comes later', async () => {
  const { client, far } = await connectedQmp(clock);
  const underWay = client.execute('stop', null, z.unknown());
  await far.hear();
  await far.end();
  await assert.rejects(underWay, backendFailed);
  await assert.rejects(client.execute('cont', null, z.unknown()), backendFailed);
  assert.ok(backendFailed(await client.closed));
});

for (const [what, line] of [
  ['not JSON', 'hello'],
  ['no message', '{"answer": 42}'],
  ['a refusal of nothing', '{"error": {"class": "GenericError", "desc": "what?"}}'],
  ['too long', 'x'.repeat(QMP_LINE_BYTES_MAX + 1)],
] as const) {
  test(`a line that is ${what} ends the connection`, async () => {
    const { client, far } = await connectedQmp(clock);
    const underWay = client.execute('stop', null, z.unknown());
    const saying = far.say(line);
    await assert.rejects(underWay, backendFailed);
    await saying.catch((error: unknown) => assert.match(String(error), /EPIPE/));
    assert.ok(backendFailed(await client.closed));
  });
}

test('who does not greet is given up', async () => {
  const [near] = memoryConnectionPair();
  await assert.rejects(QmpClient.open(clock, near, 20), backendFailed);
});
