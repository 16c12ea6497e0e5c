import assert from 'node:assert/strict';
import { concat, fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { defined } from '../../src/base/assert.ts';
import { MIB } from '../../src/base/units.ts';
import { ADOPTED_POLL_MS_MAX } from '../../src/env/processes.ts';
import { promises, refusedWith } from './with-fixture.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { SpawnOptions } from '../../src/env/processes.ts';
import type { CreateFixture } from './env-suite.ts';

function shell(script: string, ...args: readonly string[]): SpawnOptions {
  return { command: 'sh', args: ['-c', script, 'sh', ...args], output: 'capture' };
}

async function textOf(output: AsyncIterable<Bytes>): Promise<string> {
  const parts: Bytes[] = [];
  for await (const part of output) parts.push(part);
  return fromUtf8(concat(parts));
}

/** The contract of `Processes`, on a world that has a POSIX shell. */
export function processesSuite(name: string, createFixture: CreateFixture): void {
  childSuite(`${name} children`, createFixture);
  streamSuite(`${name} child streams`, createFixture);
  adoptionSuite(`${name} adopted processes`, createFixture);
}

function childSuite(subject: string, createFixture: CreateFixture): void {
  const promise = promises(subject, createFixture);

  promise('exit codes and signals are told, to many waiters', async ({ env: { processes } }) => {
    const child = await processes.spawn(shell('exit 7'));
    assert.deepEqual(await Promise.all([child.wait(), child.wait()]), [{ code: 7 }, { code: 7 }]);
    assert.deepEqual(await child.wait(), { code: 7 });
    const killed = await processes.spawn(shell('exec sleep 60'));
    killed.kill('SIGKILL');
    assert.deepEqual(await killed.wait(), { signal: 'SIGKILL' });
    killed.kill('SIGTERM');
  });

  promise(
    'what cannot be started is refused with the name to blame',
    async ({ env: { files, processes }, directory }) => {
      await refusedWith(
        'ENOENT',
        processes.spawn({ command: `${directory}/none`, args: [], output: 'ignore' }),
      );
      const file = await files.open(`${directory}/f`, 'wx');
      await file.close();
      await refusedWith('EACCES', processes.spawn({ command: `${directory}/f`, args: [], output: 'ignore' }));
      const cwd = `${directory}/missing`;
      await assert.rejects(processes.spawn({ ...shell('true'), cwd }), { errno: 'ENOENT', subject: cwd });
      await refusedWith('ENOTDIR', processes.spawn({ ...shell('true'), cwd: `${directory}/f` }));
      await refusedWith('ENOENT', processes.spawn({ ...shell('true'), output: { path: `${cwd}/log` } }));
    },
  );

  promise(
    'environment and folder are exactly those given',
    async ({ env: { host, processes }, directory }) => {
      const environment = { PATH: host.variable('PATH') ?? '', ONLY: 'this one' };
      const child = await processes.spawn({
        ...shell('pwd -P; echo "$ONLY,$HOME"'),
        cwd: directory,
        environment,
      });
      assert.equal(await textOf(child.stdout), `${directory}\nthis one,\n`);
      const inheriting = await processes.spawn(shell('echo "$PATH"'));
      assert.equal(await textOf(inheriting.stdout), `${host.variable('PATH') ?? ''}\n`);
    },
  );

  promise('output to a file is appended, both streams', async ({ env: { files, processes }, directory }) => {
    const path = `${directory}/log`;
    for (const word of ['one', 'two']) {
      const child = await processes.spawn({ ...shell('echo $1; echo $1 >&2', word), output: { path } });
      assert.equal(await textOf(child.stdout), '');
      await child.wait();
    }
    assert.equal(fromUtf8(await files.readFile(path, MIB)), 'one\none\ntwo\ntwo\n');
    assert.equal((await files.stat(path)).mode, 0o600);
  });

  promise('a child that has ended is alive for nobody', async ({ env: { processes } }) => {
    const child = await processes.spawn(shell('exec sleep 60'));
    assert.ok(await processes.isAlive(child.identity));
    assert.ok(!(await processes.isAlive({ ...child.identity, startedAt: 'another time' })));
    child.kill('SIGTERM');
    await child.wait();
    assert.ok(!(await processes.isAlive(child.identity)));
    assert.equal(await processes.adopt(child.identity), null);
  });

  promise('a detached child has a session of its own', async ({ env: { processes }, directory }) => {
    const output = { path: `${directory}/log` };
    const child = await processes.spawn({ ...shell('exec sleep 60'), output, detached: true });
    const ps = await processes.spawn({ ...shell('ps -o sid= -p $1', String(child.identity.pid)) });
    assert.equal((await textOf(ps.stdout)).trim(), String(child.identity.pid));
    child.kill('SIGKILL');
    assert.deepEqual(await child.wait(), { signal: 'SIGKILL' });
  });
}

function streamSuite(subject: string, createFixture: CreateFixture): void {
  const promise = promises(subject, createFixture);

  promise('the input of a child that has ended can be ended', async ({ env: { processes } }) => {
    const child = await processes.spawn({ ...shell('read line; echo "$line"'), stdin: 'pipe' });
    const stdin = defined(child.stdin, 'stdin');
    await stdin.write(utf8('enough\n'));
    assert.equal(await textOf(child.stdout), 'enough\n');
    assert.deepEqual(await child.wait(), { code: 0 });
    await stdin.end();
  });

  promise('stdin, stdout and stderr are apart, and whole', async ({ env: { processes } }) => {
    const child = await processes.spawn({ ...shell('echo problem >&2; cat'), stdin: 'pipe' });
    const stdin = defined(child.stdin, 'stdin');
    const reading = textOf(child.stdout);
    const text = 'kelpie '.repeat(100_000);
    await stdin.write(utf8(text));
    await stdin.end();
    assert.equal(await reading, text);
    assert.equal(await textOf(child.stderr), 'problem\n');
    assert.deepEqual(await child.wait(), { code: 0 });
  });

  promise('output is still there after the end', async ({ env: { clock, processes } }) => {
    const child = await processes.spawn(shell('echo late'));
    assert.equal(child.stdin, null);
    await child.wait();
    await clock.sleep(20);
    assert.equal(await textOf(child.stdout), 'late\n');
  });

  promise('a child that is not read waits', async ({ env: { clock, files, processes }, directory }) => {
    const child = await processes.spawn(shell('head -c 4194304 /dev/zero; : > "$1"', `${directory}/done`));
    await clock.sleep(100);
    await refusedWith('ENOENT', files.stat(`${directory}/done`));
    let length = 0;
    for await (const part of child.stdout) length += part.byteLength;
    assert.equal(length, 4 * MIB);
    assert.deepEqual(await child.wait(), { code: 0 });
  });

  promise('leaving the output early closes the pipe', async ({ env: { processes } }) => {
    const child = await processes.spawn({ command: 'yes', args: [], output: 'capture' });
    for await (const part of child.stdout) {
      assert.ok(part.byteLength > 0);
      break;
    }
    assert.ok('signal' in (await child.wait()) || !(await processes.isAlive(child.identity)));
  });

  promise('writing to a child that does not read ends in EPIPE', async ({ env: { processes } }) => {
    const child = await processes.spawn({ ...shell('exec <&-; exec sleep 60'), stdin: 'pipe' });
    const stdin = defined(child.stdin, 'stdin');
    await refusedWith('EPIPE', stdin.write(new Uint8Array(MIB)));
    await refusedWith('EPIPE', stdin.write(new Uint8Array(1)));
    child.kill('SIGKILL');
    await child.wait();
  });
}

function adoptionSuite(subject: string, createFixture: CreateFixture): void {
  const promise = promises(subject, createFixture);

  promise(
    'a process is found by number and start, and its end is noticed',
    async ({ env: { clock, processes } }) => {
      const child = await processes.spawn({ ...shell('exec sleep 60'), output: 'ignore', detached: true });
      assert.equal(await processes.adopt({ pid: child.identity.pid, startedAt: '1' }), null);
      const adopted = defined(await processes.adopt(child.identity), 'a living process');
      assert.deepEqual(adopted.identity, child.identity);
      const waiting = adopted.wait();
      adopted.kill('SIGTERM');
      const before = clock.monotonicMs();
      await waiting;
      assert.ok(clock.monotonicMs() - before < ADOPTED_POLL_MS_MAX);
      adopted.kill('SIGKILL');
      await child.wait();
    },
  );

  promise('a zombie has ended', async ({ env: { clock, processes } }) => {
    // The shell never waits for its child, so that one stays a zombie until the shell itself is killed.
    const parent = await processes.spawn(shell('sh -c "echo \\$\\$" & exec sleep 60'));
    let line = '';
    for await (const part of parent.stdout) {
      line += fromUtf8(part);
      break;
    }
    for (let state = ''; !state.startsWith('Z'); await clock.sleep(10)) {
      const ps = await processes.spawn(shell('ps -o stat= -p $1', line.trim()));
      state = await textOf(ps.stdout);
    }
    assert.ok(!(await processes.list()).some(({ identity }) => identity.pid === Number(line)));
    parent.kill('SIGKILL');
    await parent.wait();
  });

  promise('processes are listed with their arguments', async ({ env: { host, processes } }) => {
    const child = await processes.spawn({
      ...shell('read line', 'two words', ''),
      output: 'ignore',
      stdin: 'pipe',
    });
    const listed = await processes.list();
    assert.ok(listed.some(({ identity }) => identity.pid === host.pid));
    const found = listed.find(({ identity }) => identity.pid === child.identity.pid);
    assert.deepEqual(found, {
      identity: child.identity,
      args: ['sh', '-c', 'read line', 'sh', 'two words', ''],
    });
    child.kill('SIGKILL');
    await child.wait();
  });
}
