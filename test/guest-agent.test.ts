/** The client against the real agent: what only the two together can show. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { concat, fromUtf8, utf8 } from '../src/base/bytes.ts';
import type { Bytes } from '../src/base/bytes.ts';
import type { GuestAgent } from '../src/guest/guest-agent.ts';
import { SESSION_WINDOW_BYTES } from '../src/guest/limits.ts';
import { collect } from './support/collect.ts';
import { is } from './support/fake-guest.ts';
import {
  execute,
  outcomeOf,
  pattern,
  pieces,
  sha256,
  shell,
  textUntil,
  untilEnded,
} from './support/guest-commands.ts';
import { buildHostAgent, HostAgent } from './support/host-agent.ts';

const MEGABYTE = 1_000_000;
const RING_BYTES = 1024 * 1024;
const SIGTERM = 15;
const SIGKILL = 9;

before(buildHostAgent);

suite('commands in a guest', { timeout: 400_000 }, () => {
  let host: HostAgent;
  let agent: GuestAgent;
  before(async () => {
    host = await HostAgent.start();
    agent = await host.connect();
  });
  after(async () => {
    agent.close();
    await host[Symbol.asyncDispose]();
  });

  test('give output and errors apart, and their exit code', async () => {
    const outcome = await execute(agent, {
      ...shell('echo "$GREETING from $(pwd)"; echo oops >&2; cat; exit 7'),
      env: { GREETING: 'hello' },
      cwd: host.directory,
    });
    assert.equal(fromUtf8(outcome.stdout), `hello from ${host.directory}\n`);
    assert.equal(fromUtf8(outcome.stderr), 'oops\n');
    assert.deepEqual(outcome.exit, { code: 7, timedOut: false });
  });

  test('read stdin to its end', async () => {
    const sent = pattern(MEGABYTE);
    const { stdout, exit } = await execute(agent, { argv: ['cat'] }, sent);
    assert.equal(sha256(stdout), sha256(sent));
    assert.deepEqual(exit, { code: 0, timedOut: false });
  });

  test('may leave stdin unread', async () => {
    const session = await agent.startSession({ argv: ['true'], stdin: true });
    const { exit } = await outcomeOf(session);
    assert.deepEqual(exit, { code: 0, timedOut: false });
    await session.writeStdin(utf8('dropped'));
    await session.signal(SIGTERM);
  });

  test('end by signals and by their time-out', async () => {
    const session = await agent.startSession({ argv: ['sleep', '60'] });
    await session.signal(SIGTERM);
    assert.deepEqual((await outcomeOf(session)).exit, { signal: SIGTERM, timedOut: false });
    const { exit } = await execute(agent, { argv: ['sleep', '60'], timeoutMs: 100 });
    assert.deepEqual(exit, { signal: SIGTERM, timedOut: true });
  });

  test('that cannot be started say so', async () => {
    await assert.rejects(agent.startSession({ argv: ['/no/such/program'] }), is('command_not_executable'));
    await assert.rejects(agent.startSession({ argv: [host.directory] }), is('command_not_executable'));
    await assert.rejects(agent.startSession({ argv: [] }), is('invalid_argument'));
    await assert.rejects(
      agent.startSession({ argv: ['true'], user: 'no-such-user' }),
      is('invalid_argument'),
    );
    await assert.rejects(agent.startSession({ argv: ['nul\0nul'] }), is('invalid_argument'));
    await assert.rejects(agent.stat('/\ud800'), is('invalid_argument'));
  });

  test('have a terminal that can be resized', async () => {
    const session = await agent.startSession({
      ...shell('tty; stty size; read line; stty size; echo $line >&2'),
      tty: { rows: 24, columns: 80 },
      stdin: true,
    });
    const events = session.events[Symbol.asyncIterator]();
    // What is typed is echoed when it comes, so each step waits for the one before.
    assert.match(await textUntil(events, /24 80/), /^\/dev\/pts\/\d+\r\n24 80/);
    await session.resize({ rows: 50, columns: 132 });
    await session.writeStdin(utf8('typed\n'));
    assert.equal(await textUntil(events, /50 132\r\ntyped\r\n/), 'typed\r\n50 132\r\ntyped\r\n');
    assert.deepEqual((await collect({ [Symbol.asyncIterator]: () => events })).at(-1), {
      kind: 'exit',
      exit: { code: 0, timedOut: false },
    });
  });

  test('end a terminal with the end of stdin', async () => {
    const session = await agent.startSession({ argv: ['cat'], tty: { rows: 24, columns: 80 }, stdin: true });
    const reading = outcomeOf(session);
    await session.endStdin();
    assert.deepEqual((await reading).exit, { code: 0, timedOut: false });
  });

  test('run side by side', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, index) => execute(agent, shell(`echo ${index}; exit ${index}`))),
    );
    outcomes.forEach(({ stdout, exit }, index) => {
      assert.equal(fromUtf8(stdout), `${index}\n`);
      assert.deepEqual(exit, { code: index, timedOut: false });
    });
  });

  test('are listed and forgotten', async () => {
    const { session, pid } = await agent.startDetached({ argv: ['sleep', '61'] });
    const running = (await agent.listSessions()).find((info) => info.session === session);
    assert.ok(running);
    assert.deepEqual(
      [running.pid, running.argv, running.running, running.attached, running.exit],
      [pid, ['sleep', '61'], true, false, null],
    );
    await assert.rejects(agent.forgetSession(session), is('invalid_state'));
    await agent.signalSession(session, SIGKILL);
    await untilEnded(agent, session);
    await agent.forgetSession(session);
    await assert.rejects(agent.attachSession(session), is('session_not_found'));
    await assert.rejects(agent.signalSession(session, SIGTERM), is('session_not_found'));
  });

  test('go on without a reader, who comes back to where it was', async () => {
    const session = await agent.startSession({
      ...shell('echo first; read go; echo second; read go; echo third'),
      stdin: true,
    });
    for await (const event of session.events) if (event.kind === 'output') break;
    const second = await agent.attachSession(session.session, { stdout: 6, stderr: 0 });
    assert.equal(second.offsets.stdout, 6);
    assert.equal(second.stdinOffset, 0);
    await assert.rejects(agent.attachSession(session.session), is('invalid_state'));
    await second.writeStdin(utf8('\n'));
    for await (const event of second.events) if (event.kind === 'output') break;
    const third = await agent.attachSession(session.session, { stdout: 3 });
    assert.equal(third.stdinOffset, 1);
    const reading = outcomeOf(third);
    await third.writeStdin(utf8('\n'));
    assert.equal(fromUtf8((await reading).stdout), 'st\nsecond\nthird\n');
    const ended = await outcomeOf(await agent.attachSession(session.session));
    assert.equal(fromUtf8(ended.stdout), 'first\nsecond\nthird\n');
    assert.deepEqual(ended.exit, { code: 0, timedOut: false });
  });

  test('unattended keep the last of their output, and say where it begins', async () => {
    const length = 3 * MEGABYTE;
    await writeFile(join(host.directory, 'much'), pattern(length));
    const { session } = await agent.startDetached({ argv: ['cat', join(host.directory, 'much')] });
    await untilEnded(agent, session);
    const attached = await agent.attachSession(session, { stdout: 0 });
    assert.equal(attached.offsets.stdout, length - RING_BYTES);
    const { stdout } = await outcomeOf(attached);
    assert.deepEqual(stdout, pattern(length).subarray(length - RING_BYTES));
  });

  test('wait for a slow reader and lose nothing', async () => {
    const sent = pattern(4 * MEGABYTE);
    await writeFile(join(host.directory, 'slow'), sent);
    const session = await agent.startSession({ argv: ['cat', join(host.directory, 'slow')] });
    const hash = createHash('sha256');
    let count = 0;
    for await (const event of session.events) {
      if (event.kind !== 'output') continue;
      hash.update(event.bytes);
      count += 1;
      if (count % 4 === 0) await delay(5);
    }
    assert.equal(hash.digest('hex'), sha256(sent));
  });

  test('stream 50 MB out and 20 MB in', async () => {
    const hash = createHash('sha256');
    const session = await agent.startSession(shell('yes 0123456789abcde | head -c 50000000'));
    for await (const event of session.events) if (event.kind === 'output') hash.update(event.bytes);
    assert.equal(hash.digest('hex'), sha256(Buffer.alloc(50 * MEGABYTE, '0123456789abcde\n')));

    const sent = pattern(20 * MEGABYTE);
    const { stdout } = await execute(agent, { argv: ['sha256sum'] }, sent);
    assert.equal(fromUtf8(stdout).slice(0, 64), sha256(sent));
  });

  test('that flood do not delay the answers to others', async () => {
    const read = await agent.startSession(shell('yes read'));
    const unread = await agent.startSession(shell('yes unread'));
    const reading = (async () => {
      let bytes = 0;
      for await (const event of read.events) if (event.kind === 'output') bytes += event.bytes.byteLength;
      return bytes;
    })();
    const residentBytes = process.memoryUsage().rss;
    for (let count = 0; count < 20; count += 1) {
      const begin = performance.now();
      await agent.health();
      assert.ok(performance.now() - begin < 1000);
      await delay(10);
    }
    assert.ok(process.memoryUsage().rss - residentBytes < 200 * MEGABYTE);
    await read.signal(SIGKILL);
    assert.ok((await reading) > MEGABYTE);
    await unread.signal(SIGKILL);
    const rest = await outcomeOf(unread);
    assert.deepEqual(rest.exit, { signal: SIGKILL, timedOut: false });
    assert.ok(rest.stdout.byteLength >= SESSION_WINDOW_BYTES);
  });

  test('leave room for a quiet moment', async () => {
    const slow = Array.from({ length: 10 }, () => agent.health());
    const hold = await agent.quiesce(5000);
    await Promise.all(slow);
    let isAnswered = false;
    const held = agent.health().then(() => (isAnswered = true));
    await delay(50);
    assert.equal(isAnswered, false);
    hold.release();
    await held;
  });

  test('and the guest tells of itself', async () => {
    const health = await agent.health();
    assert.equal(health.bootId, agent.bootId);
    assert.equal(health.generation, agent.generation);
    assert.ok(Math.abs(health.unixMs - Date.now()) < 5000);
    assert.ok(health.memoryAvailableBytes > 0 && health.memoryAvailableBytes <= health.memoryTotalBytes);
  });
});

suite('files of a guest', { timeout: 300_000 }, () => {
  let host: HostAgent;
  let agent: GuestAgent;
  before(async () => {
    host = await HostAgent.start();
    agent = await host.connect();
  });
  after(async () => {
    agent.close();
    await host[Symbol.asyncDispose]();
  });

  test('come and go, 20 MB, with mode, owner and folders', async () => {
    const path = join(host.directory, 'a/b/large');
    const sent = pattern(20 * MEGABYTE);
    const written = await agent.writeFile({ path, mode: 0o640, parents: true }, pieces(sent, 100_000));
    assert.deepEqual(written, { sizeBytes: sent.byteLength });
    assert.equal(sha256(await readFile(path)), sha256(sent));
    const { info, bytes } = await agent.readFile(path);
    assert.equal(sha256(concat(await collect(bytes))), sha256(sent));
    const facts = await stat(path);
    assert.deepEqual([info.sizeBytes, info.uid, info.gid], [sent.byteLength, facts.uid, facts.gid]);
    assert.equal(info.mode & 0o7777, 0o640);
    assert.equal((await agent.stat(path)).type, 'file');
    assert.equal((await agent.stat(host.directory)).type, 'directory');
  });

  test('that are empty are files too', async () => {
    const path = join(host.directory, 'empty');
    assert.deepEqual(await agent.writeFile({ path }, pieces(utf8(''), 1)), { sizeBytes: 0 });
    const { info, bytes } = await agent.readFile(path);
    assert.equal(info.sizeBytes, 0);
    assert.deepEqual(await collect(bytes), []);
  });

  test('are replaced at once or not at all', async () => {
    const path = join(host.directory, 'target');
    await agent.writeFile({ path, mode: 0o600 }, pieces(utf8('old'), 1));
    const broken = async function* (): AsyncGenerator<Bytes> {
      yield pattern(MEGABYTE);
      assert.equal(await readFile(path, 'utf8'), 'old');
      throw new Error('the source broke');
    };
    await assert.rejects(agent.writeFile({ path }, broken()), /the source broke/);
    assert.equal(await readFile(path, 'utf8'), 'old');
    await agent.writeFile({ path }, pieces(utf8('new'), 1));
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(
      (await readdir(host.directory)).filter((name) => name.includes('target')),
      ['target'],
    );
  });

  test('that cannot be had say why', async () => {
    await assert.rejects(agent.readFile('/no/such/file'), is('file_not_found'));
    await assert.rejects(agent.stat('/no/such/file'), is('file_not_found'));
    await assert.rejects(agent.readFile(host.directory), is('guest_failed', 'invalid_argument'));
    const nowhere = agent.writeFile({ path: join(host.directory, 'no/such/folder') }, pieces(utf8('x'), 1));
    await assert.rejects(nowhere, is('file_not_found'));
  });

  test('that are left half read free their place', async () => {
    const path = join(host.directory, 'large');
    await writeFile(path, pattern(2 * MEGABYTE));
    for (let count = 0; count < 40; count += 1) {
      const { bytes } = await agent.readFile(path);
      for await (const part of bytes) {
        assert.ok(part.byteLength > 0);
        break;
      }
    }
    await agent.health();
  });
});

suite('a connection to a guest', { timeout: 300_000 }, () => {
  test('that dies ends every call at once', async () => {
    await using host = await HostAgent.start();
    const agent = await host.connect();
    const session = await agent.startSession({ argv: ['cat'], stdin: true });
    const reading = assert.rejects(outcomeOf(session), is('guest_unreachable'));
    const hold = await agent.quiesce(1000);
    const pending = assert.rejects(agent.health(), is('guest_unreachable'));
    const begin = performance.now();
    host.kill();
    assert.ok(is('guest_unreachable')(await agent.closed));
    await Promise.all([pending, reading]);
    assert.ok(performance.now() - begin < 1000);
    await assert.rejects(agent.health(), is('guest_unreachable'));
    hold.release();
  });

  test('is followed by another, and commands outlive both', async () => {
    await using host = await HostAgent.start();
    const first = await host.connect();
    const session = await first.startSession({ ...shell('echo one; read line; echo $line'), stdin: true });
    for await (const event of session.events) if (event.kind === 'output') break;
    first.close();
    const second = await host.connect();
    assert.equal(second.bootId, first.bootId);
    const again = await second.attachSession(session.session, { stdout: 4 });
    const reading = outcomeOf(again);
    await again.writeStdin(utf8('two\n'));
    assert.equal(fromUtf8((await reading).stdout), 'two\n');
    second.close();
  });

  test('gives way to a newer one', async () => {
    await using host = await HostAgent.start();
    const first = await host.connect();
    const session = await first.startSession({ argv: ['cat'], stdin: true });
    const second = await host.connect();
    assert.ok(is('guest_unreachable')(await first.closed));
    const again = await second.attachSession(session.session);
    await again.endStdin();
    assert.deepEqual((await outcomeOf(again)).exit, { code: 0, timedOut: false });
    second.close();
  });
});
