import assert from 'node:assert/strict';
import { concat, fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import { promises, refusedWith } from './with-fixture.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Connection, SocketAddress, Sockets } from '../../src/env/sockets.ts';
import type { CreateFixture } from './env-suite.ts';

interface Pair {
  readonly client: Connection;
  readonly server: Connection;
  close(): Promise<void>;
}

async function connectPair(sockets: Sockets, address: SocketAddress): Promise<Pair> {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await sockets.listen(address, accepted.resolve);
  const client = await sockets.connect(listener.address);
  const server = await accepted.promise;
  return {
    client,
    server,
    close: async () => {
      client.close();
      server.close();
      await listener.close();
    },
  };
}

async function readAll(connection: Connection): Promise<Bytes> {
  const parts: Bytes[] = [];
  for (;;) {
    const part = await connection.read();
    if (part === null) return concat(parts);
    assert.ok(part.byteLength > 0 && part.byteLength <= 64 * KIB);
    parts.push(part);
  }
}

export function socketsSuite(name: string, createFixture: CreateFixture): void {
  for (const kind of ['unix', 'tcp'] as const) {
    const addressIn = (directory: string): SocketAddress =>
      kind === 'unix' ? { kind, path: `${directory}/s` } : { kind, host: '127.0.0.1', port: 0 };
    streamSuite(`${name} ${kind} sockets`, createFixture, addressIn);
  }
  addressSuite(`${name} socket addresses`, createFixture);
}

function streamSuite(
  subject: string,
  createFixture: CreateFixture,
  addressIn: (directory: string) => SocketAddress,
): void {
  const promise = promises(subject, createFixture);

  promise('bytes arrive as sent, each direction ends alone', async ({ env: { sockets }, directory }) => {
    const pair = await connectPair(sockets, addressIn(directory));
    const sent = Uint8Array.from({ length: MIB }, (_, index) => index % 253);
    const received = readAll(pair.server);
    await pair.client.write(utf8(''));
    for (let offset = 0; offset < MIB; offset += 100_000)
      await pair.client.write(sent.subarray(offset, offset + 100_000));
    await pair.client.end();
    await pair.client.end();
    assert.deepEqual(concat([await received]), sent);
    await pair.server.write(utf8('still open'));
    await pair.server.end();
    assert.equal(fromUtf8(await readAll(pair.client)), 'still open');
    assert.equal(await pair.client.read(), null);
    await pair.close();
  });

  promise('a slow reader holds up the writer', async ({ env: { clock, sockets }, directory }) => {
    const pair = await connectPair(sockets, addressIn(directory));
    let written = 0;
    const total = 32 * MIB;
    const writing = (async () => {
      for (; written < total; written += MIB) await pair.client.write(new Uint8Array(MIB));
      await pair.client.end();
    })();
    let early = -1;
    while (early !== written) {
      early = written;
      await clock.sleep(100);
    }
    assert.ok(early < total / 2, `${early} bytes were taken with nobody reading`);
    assert.equal((await readAll(pair.server)).byteLength, total);
    await writing;
    await pair.close();
  });

  promise(
    'closing gives a pending read null and a pending write EPIPE',
    async ({ env: { clock, sockets }, directory }) => {
      const pair = await connectPair(sockets, addressIn(directory));
      const reading = pair.client.read();
      const writing = pair.client.write(new Uint8Array(32 * MIB));
      const refusal = refusedWith('EPIPE', writing);
      await clock.sleep(10);
      pair.client.close();
      pair.client.close();
      assert.equal(await reading, null);
      await refusal;
      assert.equal(await pair.client.read(), null);
      await refusedWith('EPIPE', pair.client.write(utf8('x')));
      await pair.close();
    },
  );

  promise('the other side learns of a close', async ({ env: { sockets }, directory }) => {
    const pair = await connectPair(sockets, addressIn(directory));
    await pair.client.write(utf8('bye'));
    await pair.client.end();
    pair.client.close();
    assert.equal(fromUtf8(await readAll(pair.server)), 'bye');
    await assert.rejects(async () => {
      for (let round = 0; round < 100; round += 1) await pair.server.write(new Uint8Array(MIB));
    }, /EPIPE|ECONNRESET/);
    await pair.close();
  });

  promise('two reads or two writes at once are our own mistake', async ({ env: { sockets }, directory }) => {
    const pair = await connectPair(sockets, addressIn(directory));
    const first = pair.client.read();
    await assert.rejects(pair.client.read(), { name: 'AssertionFailed' });
    const writing = pair.client.write(utf8('a'));
    await assert.rejects(pair.client.write(utf8('b')), { name: 'AssertionFailed' });
    await writing;
    await pair.close();
    assert.equal(await first, null);
  });

  promise('connections outlive their listener', async ({ env: { sockets }, directory }) => {
    const accepted = Promise.withResolvers<Connection>();
    const listener = await sockets.listen(addressIn(directory), accepted.resolve);
    const client = await sockets.connect(listener.address);
    const server = await accepted.promise;
    await listener.close();
    await listener.close();
    await refusedWith(
      listener.address.kind === 'unix' ? 'ENOENT' : 'ECONNREFUSED',
      sockets.connect(listener.address),
    );
    await server.write(utf8('on'));
    await server.end();
    assert.equal(fromUtf8(await readAll(client)), 'on');
    client.close();
    server.close();
  });

  promise('an aborted connect throws the reason', async ({ env: { sockets }, directory }) => {
    const reason = new Error('enough');
    await assert.rejects(sockets.connect(addressIn(directory), AbortSignal.abort(reason)), reason);
    // Reserved for documentation (RFC 5737): nobody answers, or the system refuses at once.
    const abort = new AbortController();
    const connecting = sockets.connect({ kind: 'tcp', host: '192.0.2.1', port: 9 }, abort.signal);
    abort.abort(reason);
    await assert.rejects(connecting, reason);
  });
}

function addressSuite(subject: string, createFixture: CreateFixture): void {
  const promise = promises(subject, createFixture);
  const ignore = (connection: Connection): void => connection.close();

  promise(
    'a Unix socket is private and goes with its listener',
    async ({ env: { files, sockets }, directory }) => {
      const path = `${directory}/s`;
      const listener = await sockets.listen({ kind: 'unix', path }, ignore);
      const { kind, mode } = await files.stat(path);
      assert.deepEqual({ kind, mode }, { kind: 'socket', mode: 0o600 });
      await refusedWith('EADDRINUSE', sockets.listen({ kind: 'unix', path }, ignore));
      await listener.close();
      await refusedWith('ENOENT', files.stat(path));
    },
  );

  promise('a free port is picked and told; a taken one is refused', async ({ env: { sockets } }) => {
    const listener = await sockets.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, ignore);
    assert.ok(listener.address.kind === 'tcp' && listener.address.port > 0);
    await refusedWith('EADDRINUSE', sockets.listen(listener.address, ignore));
    await listener.close();
    const again = await sockets.listen(listener.address, ignore);
    await again.close();
  });

  promise('a path that the system would cut is refused', async ({ env: { sockets }, directory }) => {
    const path = `${directory}/${'x'.repeat(108 - directory.length - 1)}`;
    await refusedWith('ENAMETOOLONG', sockets.listen({ kind: 'unix', path }, ignore));
    await refusedWith('ENAMETOOLONG', sockets.connect({ kind: 'unix', path }));
  });

  promise('where nobody listens is said so', async ({ env: { files, sockets }, directory }) => {
    await refusedWith('ENOENT', sockets.connect({ kind: 'unix', path: `${directory}/none` }));
    const file = await files.open(`${directory}/f`, 'wx');
    await file.close();
    await refusedWith('ECONNREFUSED', sockets.connect({ kind: 'unix', path: `${directory}/f` }));
    await refusedWith('EADDRINUSE', sockets.listen({ kind: 'unix', path: `${directory}/f` }, ignore));
  });
}
