import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../../base/errors.ts';
import { SystemError } from '../../../env/system-error.ts';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { ScriptedHttp } from '../../../../test/support/scripted-http.ts';
import type { Answer } from '../../../../test/support/scripted-http.ts';
import { API_ANSWER_BYTES_MAX, API_CALL_TIMEOUT_MS } from '../limits.ts';
import { describeInstance, pauseVm } from './calls.ts';
import { FirecrackerApi, isUnserved } from './client.ts';

function apiThat(answer: (signal: AbortSignal | undefined) => Promise<Answer>): {
  readonly api: FirecrackerApi;
  readonly clock: ManualClock;
} {
  const clock = new ManualClock();
  const http = new ScriptedHttp((_asked, signal) => answer(signal));
  return { api: new FirecrackerApi({ http, clock }, '/run/api.sock'), clock };
}

async function failure(call: Promise<unknown>): Promise<Error> {
  const error: unknown = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(isKelpieError(error, 'vm_backend_failed'), String(error));
  return error;
}

test('a refusal is told in Firecracker’s own words, which are the cause as well', async () => {
  const body = JSON.stringify({ fault_message: 'The requested operation is not supported: NotSupported.' });
  const { api, clock } = apiThat(async () => ({ status: 400, body }));
  const error = await failure(pauseVm(api));
  assert.equal(
    error.message,
    'Firecracker refused to pause the VM: The requested operation is not supported: NotSupported.',
  );
  assert.match(String(error.cause), /NotSupported/);
  assert.equal(clock.sleeping, 0, 'no timer is left');
});

test('a refusal without words has at least its status, and long ones are cut', async () => {
  assert.match((await failure(pauseVm(apiThat(async () => ({ status: 500 })).api))).message, /status 500/);
  const { api } = apiThat(async () => ({ status: 400, body: 'x'.repeat(5000) }));
  assert.ok((await failure(pauseVm(api))).message.length < 500);
});

test('an answer that is not of the API is told as that', async () => {
  for (const body of [
    '',
    '<html>',
    '{}',
    '[]',
    '{"state":"Sleeping","vmm_version":"1.16.1"}',
    'x'.repeat(API_ANSWER_BYTES_MAX + 1),
  ]) {
    const { api } = apiThat(async () => ({ status: 200, body }));
    assert.match((await failure(describeInstance(api))).message, /not of its API/, body.slice(0, 20));
  }
});

test('an instance is known by its state', async () => {
  const body = '{"app_name":"Firecracker","id":"a","state":"Paused","vmm_version":"1.16.1"}';
  const { api } = apiThat(async () => ({ status: 200, body }));
  assert.equal((await describeInstance(api)).state, 'Paused');
});

test('a call that hangs is given up in time', async () => {
  const { api, clock } = apiThat(
    (signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted')))),
  );
  const failing = failure(pauseVm(api));
  await clock.advance(API_CALL_TIMEOUT_MS);
  assert.match((await failing).message, /did not pause the VM in 10 s/);
});

test('a process that ends, or answers garbage, is a failure of the VMM; one that does not serve yet is known', async () => {
  for (const [errno, pattern, unserved] of [
    ['ECONNRESET', /broke .* ECONNRESET/, false],
    ['EPIPE', /broke/, false],
    ['EPROTO', /not of its API/, false],
    ['ENOENT', /ENOENT/, true],
    ['ECONNREFUSED', /ECONNREFUSED/, true],
  ] as const) {
    const { api } = apiThat(async () => {
      throw new SystemError(errno, 'request', 'unix');
    });
    const error = await failure(pauseVm(api));
    assert.match(error.message, pattern);
    assert.equal(isUnserved(error), unserved, errno);
  }
});
