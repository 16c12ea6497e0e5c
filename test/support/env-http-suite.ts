import assert from 'node:assert/strict';
import { concat, fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { MIB } from '../../src/base/units.ts';
import { promises, refusedWith } from './with-fixture.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Env } from '../../src/env/env.ts';
import type { HttpRequest, HttpResponse } from '../../src/env/http.ts';
import type { Connection, SocketAddress } from '../../src/env/sockets.ts';
import type { CreateFixture } from './env-suite.ts';

type Handler = (request: Request) => Promise<Response>;

async function textOf(body: AsyncIterable<Bytes>): Promise<string> {
  const parts: Bytes[] = [];
  for await (const part of body) parts.push(part);
  return fromUtf8(concat(parts));
}

/** A channel that a test feeds by hand. */
function handFed(): { readonly body: AsyncIterable<Bytes>; push(text: string): void; end(): void } {
  const { readable, writable } = new TransformStream<Bytes, Bytes>(undefined, { highWaterMark: 100 });
  const writer = writable.getWriter();
  return {
    body: readable,
    push: (text) => void writer.write(utf8(text)),
    end: () => void writer.close(),
  };
}

export function httpSuite(name: string, createFixture: CreateFixture): void {
  for (const kind of ['unix', 'tcp'] as const) {
    const addressIn = (directory: string): SocketAddress =>
      kind === 'unix' ? { kind, path: `${directory}/http` } : { kind, host: '127.0.0.1', port: 0 };
    exchangeSuite(`${name} http over ${kind}`, createFixture, addressIn);
    endingSuite(`${name} http endings over ${kind}`, createFixture, addressIn);
  }
  const promise = promises(`${name} http`, createFixture);
  promise('refusals to connect are told', async ({ env, directory }) => {
    const request = { method: 'GET', path: '/', headers: {} };
    const address = { kind: 'unix', path: `${directory}/none` } as const;
    await refusedWith('ENOENT', env.http.request({ ...request, target: { address } }));
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(env.http.request({ ...request, target: { address }, signal }), reason);
  });
  promise('a peer that does not speak HTTP is told apart', async ({ env, directory }) => {
    const address = { kind: 'unix', path: `${directory}/raw` } as const;
    const heard: Connection[] = [];
    const listener = await env.sockets.listen(address, (connection) => {
      heard.push(connection);
      void connection.write(utf8('SSH-2.0-kelpie\r\n')).then(async () => connection.end());
    });
    await refusedWith(
      'EPROTO',
      env.http.request({ target: { address }, method: 'GET', path: '/', headers: {} }),
    );
    // What nobody reads stays open, also when the other end has gone.
    for (const connection of heard) connection.close();
    await listener.close();
  });
}

/** Serves for the length of `use`. */
async function serving(
  env: Env,
  address: SocketAddress,
  handler: Handler,
  use: (send: (request: Partial<HttpRequest>) => Promise<HttpResponse>) => Promise<void>,
): Promise<void> {
  const listener = await env.http.serve(address, handler);
  try {
    await use(async (request) =>
      env.http.request({
        target: { address: listener.address },
        method: 'GET',
        path: '/',
        headers: {},
        ...request,
      }),
    );
  } finally {
    await listener.close();
  }
}

function exchangeSuite(
  subject: string,
  createFixture: CreateFixture,
  addressIn: (directory: string) => SocketAddress,
): void {
  const promise = promises(subject, createFixture);

  promise('method, path, headers and body arrive, and the answer comes back', async ({ env, directory }) => {
    const handler: Handler = async (request) => {
      const { pathname, search } = new URL(request.url);
      const text = `${request.method} ${pathname}${search} ${request.headers.get('x-word')} ${await request.text()}`;
      const headers = [
        ['x-answer', 'yes'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ] satisfies [string, string][];
      return new Response(text, { status: 201, headers });
    };
    await serving(env, addressIn(directory), handler, async (send) => {
      const request = {
        method: 'PUT',
        path: '/a%20b//c?d=%2F',
        headers: { 'x-word': 'w' },
        body: utf8('body'),
      };
      const response = await send(request);
      assert.equal(response.status, 201);
      assert.equal(response.headers['x-answer'], 'yes');
      assert.equal(response.headers['set-cookie'], 'a=1, b=2');
      assert.equal(await textOf(response.body), 'PUT /a%20b//c?d=%2F w body');
    });
  });

  promise('answers without a body, and many in a row', async ({ env, directory }) => {
    await serving(
      env,
      addressIn(directory),
      async () => new Response(null, { status: 204 }),
      async (send) => {
        for (let round = 0; round < 20; round += 1) {
          const response = await send({ method: round % 2 === 0 ? 'GET' : 'HEAD' });
          assert.equal(response.status, 204);
          assert.equal(await textOf(response.body), '');
        }
      },
    );
  });

  promise('both bodies flow at the same time', async ({ env, directory }) => {
    await serving(
      env,
      addressIn(directory),
      async (request) => new Response(request.body),
      async (send) => {
        const input = handFed();
        const response = await send({ method: 'POST', body: input.body });
        const output = response.body[Symbol.asyncIterator]();
        for (const word of ['one', 'two', 'three']) {
          input.push(word);
          const next = await output.next();
          assert.ok(next.done !== true);
          assert.equal(fromUtf8(next.value), word);
        }
        input.end();
        assert.equal((await output.next()).done, true);
      },
    );
  });

  promise('a large body comes whole in both directions', async ({ env, directory }) => {
    const total = 24 * MIB;
    async function* large(): AsyncGenerator<Bytes> {
      for (let sent = 0; sent < total; sent += MIB) yield new Uint8Array(MIB).fill(sent / MIB);
    }
    await serving(
      env,
      addressIn(directory),
      async (request) => new Response(request.body),
      async (send) => {
        const response = await send({ method: 'POST', body: large() });
        const hasher = env.compute.sha256Hasher();
        for await (const part of response.body) hasher.update(part);
        const expected = env.compute.sha256Hasher();
        for await (const part of large()) expected.update(part);
        assert.equal(hasher.digest(), expected.digest());
      },
    );
  });

  promise('a body is read into an array, if it fits', async ({ env, directory }) => {
    const length = 3 * MIB + 5;
    const sent = Uint8Array.from({ length }, (_, index) => (index * 7) >> 8);
    await serving(
      env,
      addressIn(directory),
      async (request) =>
        // Of one the length is told, the other comes in pieces.
        new Response(new URL(request.url).pathname === '/whole' ? sent : new Blob([sent]).stream()),
      async (send) => {
        for (const path of ['/whole', '/pieces', '/whole', '/pieces']) {
          const into = new Uint8Array(length + 3).fill(9);
          assert.equal(await (await send({ path })).readInto(into), length);
          assert.ok(env.compute.isEqual(into.subarray(0, length), sent), path);
          assert.deepEqual(into.subarray(length), Uint8Array.of(9, 9, 9));
          assert.equal(await (await send({ path })).readInto(new Uint8Array(length - 1)), null);
        }
      },
    );
  });

  promise('a body that nobody reads is not produced', async ({ env, directory }) => {
    let produced = 0;
    const pull = (controller: ReadableStreamDefaultController<Bytes>): void => {
      produced += 1;
      controller.enqueue(new Uint8Array(MIB));
    };
    await serving(
      env,
      addressIn(directory),
      async () => new Response(new ReadableStream({ pull })),
      async (send) => {
        const response = await send({});
        await env.clock.sleep(200);
        assert.ok(produced < 32, `${produced} MiB were produced`);
        await response.body[Symbol.asyncIterator]().return?.();
      },
    );
  });

  promise('a slow handler holds up the request body', async ({ env, directory }) => {
    let sent = 0;
    async function* endless(): AsyncGenerator<Bytes> {
      for (; ; sent += 1) yield new Uint8Array(MIB);
    }
    const handler: Handler = async () => {
      await env.clock.sleep(200);
      return new Response('enough');
    };
    await serving(env, addressIn(directory), handler, async (send) => {
      const response = await send({ method: 'POST', body: endless() });
      assert.ok(sent < 32, `${sent} MiB were sent`);
      assert.equal(await textOf(response.body), 'enough');
    });
  });
}

function endingSuite(
  subject: string,
  createFixture: CreateFixture,
  addressIn: (directory: string) => SocketAddress,
): void {
  const promise = promises(subject, createFixture);

  promise('the signal rejects a request that waits', async ({ env, directory }) => {
    const begun = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const handler: Handler = async (request) => {
      request.signal.addEventListener('abort', () => gone.resolve());
      begun.resolve();
      await gone.promise;
      return new Response('too late');
    };
    await serving(env, addressIn(directory), handler, async (send) => {
      const abort = new AbortController();
      const sending = send({ signal: abort.signal });
      await begun.promise;
      const reason = new Error('enough');
      abort.abort(reason);
      await assert.rejects(sending, reason);
      await gone.promise;
    });
  });

  promise('the signal rejects an answer that is being read', async ({ env, directory }) => {
    const canceled = Promise.withResolvers<void>();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(utf8('start')),
      cancel: () => canceled.resolve(),
    });
    await serving(
      env,
      addressIn(directory),
      async () => new Response(body),
      async (send) => {
        const abort = new AbortController();
        const response = await send({ signal: abort.signal });
        const output = response.body[Symbol.asyncIterator]();
        await output.next();
        const next = output.next();
        const reason = new Error('enough');
        abort.abort(reason);
        await assert.rejects(next, reason);
        await canceled.promise;
      },
    );
  });

  promise('leaving the answer drops the connection', async ({ env, directory }) => {
    const canceled = Promise.withResolvers<void>();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(utf8('start')),
      cancel: () => canceled.resolve(),
    });
    await serving(
      env,
      addressIn(directory),
      async () => new Response(body),
      async (send) => {
        const response = await send({});
        for await (const part of response.body) {
          assert.equal(fromUtf8(part), 'start');
          break;
        }
        await canceled.promise;
      },
    );
  });

  promise('an answer that ends ends the request too', async ({ env, directory }) => {
    await serving(
      env,
      addressIn(directory),
      async () => new Response('done'),
      async (send) => {
        const returned = Promise.withResolvers<void>();
        const body: AsyncIterable<Bytes> = {
          [Symbol.asyncIterator]: () => ({
            next: async () => await new Promise(() => {}),
            return: async () => {
              returned.resolve();
              return { done: true, value: undefined };
            },
          }),
        };
        const response = await send({ method: 'POST', body });
        assert.equal(await textOf(response.body), 'done');
        await returned.promise;
      },
    );
  });

  promise("the body's own failure is what the caller gets", async ({ env, directory }) => {
    const failure = new Error('the disk is gone');
    async function* failing(): AsyncGenerator<Bytes> {
      yield utf8('x');
      throw failure;
    }
    const handler: Handler = async (request) => new Response(await request.text());
    await serving(env, addressIn(directory), handler, async (send) => {
      await assert.rejects(send({ method: 'POST', body: failing() }), failure);
    });
  });

  promise('an answer that breaks off is an error, not an end', async ({ env, directory }) => {
    let rounds = 0;
    const pull = (controller: ReadableStreamDefaultController<Bytes>): void => {
      rounds += 1;
      if (rounds === 1) controller.enqueue(utf8('half'));
      else controller.error(new Error('planned'));
    };
    await serving(
      env,
      addressIn(directory),
      async () => new Response(new ReadableStream({ pull })),
      async (send) => {
        const response = await send({});
        await refusedWith('ECONNRESET', textOf(response.body));
      },
    );
  });

  promise('a handler that throws is a 500 without details', async ({ env, directory }) => {
    const handler: Handler = async () => {
      throw new Error('secret');
    };
    await serving(env, addressIn(directory), handler, async (send) => {
      const response = await send({});
      assert.equal(response.status, 500);
      assert.equal(await textOf(response.body), '');
    });
  });

  promise('close lets a request under way finish', async ({ env, directory }) => {
    const begun = Promise.withResolvers<void>();
    const mayEnd = Promise.withResolvers<void>();
    const handler: Handler = async () => {
      begun.resolve();
      await mayEnd.promise;
      return new Response('in time');
    };
    const listener = await env.http.serve(addressIn(directory), handler);
    const request = { target: { address: listener.address }, method: 'GET', path: '/', headers: {} };
    const sending = env.http.request(request);
    await begun.promise;
    const closing = listener.close();
    mayEnd.resolve();
    assert.equal(await textOf((await sending).body), 'in time');
    await closing;
    await refusedWith(
      listener.address.kind === 'unix' ? 'ENOENT' : 'ECONNREFUSED',
      env.http.request(request),
    );
  });
}
