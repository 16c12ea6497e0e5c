import assert from 'node:assert/strict';
import test from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { Connection } from '../../env/sockets.ts';
import { ManualClock, settle } from '../../../test/support/manual-clock.ts';
import { memoryConnectionPair } from '../../../test/support/memory-connection.ts';
import { SLIRP_ANSWER_BYTES_MAX, SLIRP_CALL_TIMEOUT_MS } from './limits.ts';
import { askSlirp } from './slirp-api.ts';

interface Question {
  readonly answer: Promise<string | null>;
  readonly slirp: Connection;
  readonly clock: ManualClock;
}

/** One that slirp4netns has heard. */
async function question(): Promise<Question> {
  const [near, slirp] = memoryConnectionPair();
  const clock = new ManualClock();
  const unused = (): Promise<never> => Promise.reject(new Error('not part of this test'));
  const sockets = { connect: async () => near, listen: unused };
  const answer = askSlirp({ sockets, clock }, '/run/net.sock', { execute: 'list_hostfwd' });
  answer.catch(() => undefined);
  assert.equal(fromUtf8((await slirp.read()) ?? new Uint8Array()), '{"execute":"list_hostfwd"}');
  assert.equal(await slirp.read(), null, 'it has an end');
  return { answer, slirp, clock };
}

async function answered(...parts: readonly string[]): Promise<string | null> {
  const { answer, slirp, clock } = await question();
  for (const part of parts) await slirp.write(utf8(part));
  await slirp.end();
  const complaint = await answer;
  await settle();
  assert.equal(clock.sleeping, 0);
  return complaint;
}

const isNoAnswer = (error: unknown): boolean => isKelpieError(error, 'vm_start_failed');

test('what was done is told from what was refused', async () => {
  assert.equal(await answered('{"return":{"id":1}}'), null);
  assert.equal(await answered('{"entr', 'ies":[]}'), null);
  assert.equal(await answered('{"error":{"desc":"bad request: taken."}}'), 'bad request: taken');
});

test('what is no answer is told', async () => {
  for (const text of ['', 'hello', '{"entries":1}', '[]', '{"error":{}}'])
    await assert.rejects(answered(text), isNoAnswer, text);
});

test('an answer without an end is not read for ever', async () => {
  const { answer, slirp } = await question();
  const part = utf8('x'.repeat(SLIRP_ANSWER_BYTES_MAX / 2));
  for (let parts = 0; parts < 3; parts += 1) await slirp.write(part).catch(() => undefined);
  await assert.rejects(answer, isNoAnswer);
});

test('silence is given up in time', async () => {
  const { answer, clock } = await question();
  await clock.advance(SLIRP_CALL_TIMEOUT_MS);
  await assert.rejects(answer, isNoAnswer);
});
