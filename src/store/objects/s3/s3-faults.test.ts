/** What a service does wrong, against the store with everything around it: it ends well, or says what is not known; nothing hangs. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { hastyEnv } from '../../../../test/support/hasty-env.ts';
import { openBareS3, openS3, s3Env } from '../../../../test/support/strict-s3/s3-fixture.ts';
import { StrictS3 } from '../../../../test/support/strict-s3/strict-s3.ts';
import type { FaultRule } from '../../../../test/support/strict-s3/faults.ts';
import { fromUtf8, utf8 } from '../../../base/bytes.ts';
import { MIB } from '../../../base/units.ts';
import type { Clock } from '../../../env/clock.ts';
import type { Env } from '../../../env/env.ts';
import { checkStore } from '../check-store.ts';
import { ATTEMPTS_MAX, PART_BYTES_MIN } from '../limits.ts';
import type { ObjectStore } from '../object-store.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import { StoreFigures } from '../wrappers/measured.ts';

const TIMEOUT_MS = 20_000;

type Check = (store: ObjectStore, server: StrictS3, figures: StoreFigures) => Promise<void>;

function underFault(sentence: string, rules: readonly FaultRule[], check: Check): void {
  test(sentence, { timeout: TIMEOUT_MS }, async () => {
    const server = await StrictS3.start();
    try {
      const figures = new StoreFigures();
      const store = await openS3(server, hastyEnv(s3Env()), { figures });
      await store.put('old', utf8('0123456789'));
      server.faults.rules = rules;
      await check(store, server, figures);
      assert.ok(server.faults.injected > 0, 'the fault was there');
    } finally {
      await server.close();
    }
  });
}

async function textAt(store: ObjectStore, key: string): Promise<string> {
  return fromUtf8((await store.get(key))?.bytes ?? utf8('nothing'));
}

const transient = [
  { kind: 'refuse', status: 503, code: 'SlowDown' },
  { kind: 'refuse', status: 500, code: 'InternalError' },
  { kind: 'refuse-after', status: 500, code: 'InternalError' },
  { kind: 'lose-answer' },
] as const;

for (const fault of transient) {
  const name = `${fault.kind}${'code' in fault ? ` ${fault.code}` : ''}`;
  underFault(
    `put is tried again: ${name}`,
    [{ method: 'PUT', count: 2, fault }],
    async (store, _, figures) => {
      await store.put('key', utf8('x'));
      assert.equal(await textAt(store, 'key'), 'x');
      assert.equal(figures.byAct.get('put')?.retries, 2);
    },
  );
  underFault(`put-if-absent finds out: ${name}`, [{ method: 'PUT', count: 2, fault }], async (store) => {
    assert.equal((await store.putIfAbsent('key', utf8('x'))).result, 'written');
    assert.notEqual((await store.putIfAbsent('key', utf8('x'))).result, 'written');
    assert.equal(await textAt(store, 'key'), 'x');
  });
  underFault(`put-if-match finds out: ${name}`, [{ method: 'PUT', count: 2, fault }], async (store) => {
    const etag = (await store.head('old'))?.etag ?? '';
    const outcome = await store.putIfMatch('old', etag, utf8('new'));
    assert.equal(outcome.result, 'written');
    assert.equal((await store.head('old'))?.etag, outcome.result === 'written' ? outcome.etag : '');
  });
  underFault(
    `a loser is told that it lost: ${name}`,
    [{ method: 'PUT', count: 1, after: 1, fault }],
    async (store, server) => {
      const etag = (await store.head('old'))?.etag ?? '';
      const other = await openS3(server, hastyEnv(s3Env()));
      assert.equal((await other.putIfMatch('old', etag, utf8('same'))).result, 'written');
      const { result } = await store.putIfMatch('old', etag, utf8('same'));
      assert.ok(result === 'refused' || result === 'overtaken', result);
    },
  );
  underFault(`deletion is tried again: ${name}`, [{ method: 'DELETE', count: 2, fault }], async (store) => {
    await store.delete('old');
    assert.equal(await store.head('old'), null);
  });
  underFault(
    `an upload is completed: ${name}`,
    [{ method: 'POST', path: /uploadId/, fault }],
    async (store) => {
      const upload = await store.startUpload('large', PART_BYTES_MIN);
      const part = await store.putPart(upload, 1, utf8('the only part'));
      await store.completeUpload(upload, [part]);
      assert.equal(await textAt(store, 'large'), 'the only part');
      assert.deepEqual((await store.listUploads({ prefix: '' })).uploads, []);
    },
  );
}

for (const fault of [
  { kind: 'cut-body' },
  { kind: 'short-body' },
  { kind: 'damage' },
  ...transient.slice(0, 2),
] as const) {
  underFault(
    `a read is tried again: ${fault.kind}`,
    [{ method: 'GET', count: 2, fault }],
    async (store, _, figures) => {
      assert.equal(await textAt(store, 'old'), '0123456789');
      assert.equal(figures.byAct.get('get')?.retries, 2);
    },
  );
}

underFault(
  'a range that is cut is read again',
  [{ method: 'GET', fault: { kind: 'short-body' } }],
  async (store) => {
    const object = await store.get('old', { range: { offset: 2, length: 4 } });
    assert.equal(fromUtf8(object?.bytes ?? utf8('')), '2345');
  },
);

underFault(
  'a listing that is no listing is asked again',
  [{ method: 'GET', fault: { kind: 'cut-body' } }],
  async (store) => {
    assert.deepEqual(
      (await store.list({ prefix: '' })).objects.map(({ key }) => key),
      ['old'],
    );
  },
);

underFault(
  'an error under status 200 is one',
  [{ method: 'POST', path: /uploadId/, fault: { kind: 'error-in-200' } }],
  async (store) => {
    const upload = await store.startUpload('large', PART_BYTES_MIN);
    const part = await store.putPart(upload, 1, new Uint8Array(MIB));
    await store.completeUpload(upload, [part]);
    assert.equal((await store.head('large'))?.sizeBytes, MIB);
  },
);

underFault(
  'a late copy of a conditional write does nothing',
  [{ method: 'PUT', fault: { kind: 'late-copy', afterRequests: 3 } }],
  async (store) => {
    const outcome = await store.putIfAbsent('key', utf8('1'));
    assert.equal(outcome.result, 'written');
    const etag = outcome.result === 'written' ? outcome.etag : '';
    assert.equal((await store.putIfMatch('key', etag, utf8('2'))).result, 'written');
    for (let requests = 0; requests < 4; requests += 1) assert.equal(await textAt(store, 'key'), '2');
  },
);

underFault(
  'what was applied and then replaced is overtaken',
  [{ method: 'PUT', fault: { kind: 'lose-answer' } }],
  async (_, server) => {
    const env = hastyEnv(s3Env());
    const other = await openBareS3(server, env);
    // Between the lost answer and the look, another host replaces the record.
    const request: Env['http']['request'] = async (sent) => {
      try {
        return await env.http.request(sent);
      } catch (error) {
        await other.put('key', utf8('theirs'));
        throw error;
      }
    };
    const store = await openS3(server, { ...env, http: { ...env.http, request } });
    assert.deepEqual(await store.putIfAbsent('key', utf8('ours')), { result: 'overtaken' });
  },
);

underFault(
  'a service that never gets well is given up, and the outcome is unknown',
  [{ method: 'PUT', count: 1000, fault: { kind: 'refuse', status: 503, code: 'SlowDown' } }],
  async (store, server) => {
    const isUnknown = (error: unknown): boolean =>
      isStoreTrouble(error, 'throttled') && error.isOutcomeUnknown;
    await assert.rejects(store.put('key', utf8('x')), isUnknown);
    await assert.rejects(store.putIfAbsent('key', utf8('x')), isUnknown);
    assert.equal(server.faults.injected, 2 * ATTEMPTS_MAX);
  },
);

underFault(
  'a service that is silent is given up in time',
  [{ method: 'GET', count: 1000, fault: { kind: 'silence' } }],
  async (_, server) => {
    const env = s3Env();
    const { clock } = env;
    // Each wait takes a thousandth of its time.
    const fast: Clock = {
      wallMs: () => clock.wallMs(),
      wallNs: () => clock.wallNs(),
      monotonicMs: () => clock.monotonicMs() * 1000,
      sleep: async (durationMs, signal) => await clock.sleep(durationMs / 1000, signal),
    };
    const store = await openS3(server, { ...env, clock: fast });
    await assert.rejects(store.get('old', { range: { offset: 0, length: 4 } }), (error) => {
      assert.ok(isStoreTrouble(error, 'unavailable'));
      assert.match(error.message, /did not answer in time/);
      return true;
    });
  },
);

underFault(
  'a request that is canceled ends at once',
  [{ method: 'GET', fault: { kind: 'silence' } }],
  async (store, server) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const reading = store.get('old', { signal: controller.signal });
    while (server.faults.injected === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort(reason);
    await assert.rejects(reading, reason);
  },
);

test('a service that is not there is told', { timeout: TIMEOUT_MS }, async () => {
  const server = await StrictS3.start();
  const { url, endpoint } = server;
  await server.close();
  const store = await openS3({ url, endpoint, close: async () => undefined }, hastyEnv(s3Env()));
  await assert.rejects(store.put('key', utf8('x')), (error) => {
    assert.ok(isStoreTrouble(error, 'unavailable') && !error.isOutcomeUnknown);
    assert.match(error.message, /cannot reach s3:\/\/kelpie at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
    return true;
  });
});

underFault('a stale listing is what the doctor finds', [], async (_, server) => {
  server.faults.rules = [{ method: 'GET', path: /list-type/, count: 1000, fault: { kind: 'stale-list' } }];
  const findings = await checkStore(s3Env(), await openBareS3(server));
  assert.ok(findings.some(({ check, level }) => check === 'store.list' && level === 'problem'));
});
