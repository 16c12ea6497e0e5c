import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { sendRequest } from './http-client.ts';
import { serveHttp } from './http-server.ts';
import type { TestContext } from 'node:test';
import type { SocketAddress } from '../sockets.ts';

const address: SocketAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };
const never: Promise<never> = new Promise(() => {});

/** Sends bytes as they are; resolves with all that came back until the server closed. */
async function rawExchange(to: SocketAddress, text: string): Promise<string> {
  assert.ok(to.kind === 'tcp');
  const socket = connect({ host: to.host, port: to.port });
  socket.end(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('latin1')) answer += String(chunk);
  return answer;
}

async function serveGreeting(t: TestContext): Promise<SocketAddress> {
  const listener = await serveHttp(address, async () => new Response('hello'));
  t.after(async () => await listener.close());
  return listener.address;
}

const refusals = [
  ['a method that the web forbids', 'TRACE / HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['a target that is not a path', 'GET http://other/ HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'more headers than the bound',
    `GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 /,
  ],
  ['what is not HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
] as const;

for (const [name, text, status] of refusals) {
  test(`${name} is refused`, async (t) => {
    assert.match(await rawExchange(await serveGreeting(t), text), status);
  });
}

test('the host of a request is told by its headers and not believed in its address', async (t) => {
  const seen: string[] = [];
  const listener = await serveHttp(address, async (request) => {
    seen.push(request.url, request.headers.get('host') ?? '');
    return new Response(null);
  });
  t.after(async () => await listener.close());
  const answer = await rawExchange(
    listener.address,
    'GET //x/y?z HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.deepEqual(seen, ['http://localhost//x/y?z', 'evil']);
});

test('closing does not wait for idle connections', async () => {
  const listener = await serveHttp(address, async () => new Response('hello'));
  const target = { address: listener.address };
  const response = await sendRequest({ target, method: 'GET', path: '/', headers: {} });
  for await (const part of response.body) assert.ok(part.byteLength > 0);
  const before = performance.now();
  await listener.close();
  await listener.close();
  assert.ok(performance.now() - before < 1000);
});

test('closing drops a request that does not end in time, and tells its handler', async () => {
  const aborted = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const handler = async (request: Request): Promise<Response> => {
    request.signal.addEventListener('abort', () => aborted.resolve());
    arrived.resolve();
    return await never;
  };
  const listener = await serveHttp(address, handler, 50);
  const target = { address: listener.address };
  const sending = sendRequest({ target, method: 'GET', path: '/', headers: {} });
  const rejected = assert.rejects(sending, { errno: 'ECONNRESET' });
  await arrived.promise;
  await listener.close();
  await Promise.all([rejected, aborted.promise]);
});

test('a signal that a handler keeps outlives the request object', async (t) => {
  const signals: AbortSignal[] = [];
  const aborted = Promise.withResolvers<void>();
  const listener = await serveHttp(
    address,
    async (request) => {
      signals.push(request.signal);
      request.signal.addEventListener('abort', () => aborted.resolve());
      return new Response(new ReadableStream({ pull: async () => await never }));
    },
    50,
  );
  t.after(async () => await listener.close());
  const response = await sendRequest({
    target: { address: listener.address },
    method: 'GET',
    path: '/',
    headers: {},
  });
  await response.body[Symbol.asyncIterator]().return?.();
  await aborted.promise;
  assert.ok(signals[0]?.aborted);
});

test('a socket file is for the owner alone, whatever the mask', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-'));
  const mask = process.umask(0);
  t.after(async () => {
    process.umask(mask);
    await rm(directory, { recursive: true });
  });
  const path = join(directory, 's');
  const listener = await serveHttp({ kind: 'unix', path }, async () => new Response(null));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const file = await open(join(directory, 'f'), 'w', 0o666);
  await file.close();
  assert.equal((await stat(join(directory, 'f'))).mode & 0o777, 0o666, 'the mask was put back');
  await listener.close();
});

test('a client that still sends when it is answered is not cut off before it has heard the answer', async (t) => {
  const listener = await serveHttp(address, async (request) => {
    await request.body?.getReader().read();
    return new Response('hello');
  });
  t.after(async () => await listener.close());
  assert.ok(listener.address.kind === 'tcp');
  const socket = connect(listener.address);
  socket.write(
    'POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n',
  );
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  while (!answer.endsWith('0\r\n\r\n')) await once(socket, 'data');
  socket.write('1\r\nb\r\n');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(!socket.readableEnded && !socket.destroyed, 'the connection is still there');
  socket.end();
  await once(socket, 'close');
});
