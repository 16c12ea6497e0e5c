import assert from 'node:assert/strict';
import test from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { Connection, Sockets } from '../../env/sockets.ts';
import { ManualClock, settle } from '../../../test/support/manual-clock.ts';
import { memoryConnectionPair } from '../../../test/support/memory-connection.ts';
import { VSOCK_ATTEMPT_TIMEOUT_MS } from './limits.ts';
import { connectVsock } from './vsock-connection.ts';

interface Attempt {
  readonly opened: Promise<Connection>;
  readonly device: Connection;
  readonly clock: ManualClock;
}

/** A connection under way to a device that has heard what is asked of it. */
async function attempt(signal: AbortSignal = new AbortController().signal): Promise<Attempt> {
  const [near, device] = memoryConnectionPair();
  const clock = new ManualClock();
  const sockets: Pick<Sockets, 'connect'> = { connect: async () => near };
  const opened = connectVsock(
    { sockets: { ...sockets, listen: unused }, clock },
    '/run/vsock.sock',
    9001,
    signal,
  );
  opened.catch(() => undefined);
  assert.equal(fromUtf8((await device.read()) ?? new Uint8Array()), 'CONNECT 9001\n');
  return { opened, device, clock };
}

const unused = (): Promise<never> => Promise.reject(new Error('not part of this test'));
const isUnreachable = (error: unknown): boolean => isKelpieError(error, 'guest_unreachable');

test('after OK the bytes are the guest’s, also those that came with it', async () => {
  const { opened, device, clock } = await attempt();
  await device.write(utf8('OK 10737'));
  await settle();
  await device.write(utf8('41824\nhello'));
  const connection = await opened;
  assert.equal(fromUtf8((await connection.read()) ?? new Uint8Array()), 'hello');
  await device.write(utf8('again'));
  assert.equal(fromUtf8((await connection.read()) ?? new Uint8Array()), 'again');
  await connection.write(utf8('back'));
  assert.equal(fromUtf8((await device.read()) ?? new Uint8Array()), 'back');
  assert.equal(clock.sleeping, 0, 'no timer is left');
});

test('a port where nobody listens is worth another try', async () => {
  const { opened, device } = await attempt();
  device.close();
  await assert.rejects(opened, isUnreachable);
});

test('silence is given up in time', async () => {
  const { opened, clock } = await attempt();
  await clock.advance(VSOCK_ATTEMPT_TIMEOUT_MS);
  await assert.rejects(opened, isUnreachable);
});

test('what is no vsock device is told, and not read for ever', async () => {
  for (const answer of ['HTTP/1.1 400 Bad Request\n', 'OK\n', 'OK x\n', 'x'.repeat(1000)]) {
    const { opened, device } = await attempt();
    await device.write(utf8(answer));
    await assert.rejects(opened, isUnreachable, answer);
    assert.equal(await device.read(), null, 'the connection is dropped');
  }
});

test('a cancel ends it with its reason', async () => {
  const canceled = new AbortController();
  const { opened } = await attempt(canceled.signal);
  const reason = new Error('enough');
  canceled.abort(reason);
  await assert.rejects(opened, reason);
});
