import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendRequest } from './http-client.ts';
import { serveHttp } from './http-server.ts';
import type { Bytes } from '../../base/bytes.ts';

const MIB = 1024 * 1024;
const BODY_MIB = 256;

test('a body is not kept while it is sent', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-'));
  const address = { kind: 'unix', path: join(directory, 's') } as const;
  let received = 0;
  const listener = await serveHttp(address, async (request) => {
    assert.ok(request.body !== null);
    const sent: AsyncIterable<Bytes> = request.body;
    for await (const chunk of sent) received += chunk.byteLength;
    return new Response(null);
  });
  t.after(async () => {
    await listener.close();
    await rm(directory, { recursive: true });
  });
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  async function* body(): AsyncGenerator<Bytes> {
    for (let sent = 0; sent < BODY_MIB; sent += 1) {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
      yield await Promise.resolve(new Uint8Array(MIB));
    }
  }
  const target = { address };
  const response = await sendRequest({ target, method: 'POST', path: '/', headers: {}, body: body() });
  for await (const part of response.body) assert.fail(`${part.byteLength} bytes that nobody sent`);
  assert.equal(received, BODY_MIB * MIB);
  assert.ok(peak < (BODY_MIB / 2) * MIB, `${peak} bytes were held`);
});
