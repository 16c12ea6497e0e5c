/** Commands in a real VM through the real command line: output, input, status, signals, terminals, sessions. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './support/eventually.ts';
import { objectOf, smallVm, withHosts } from './support/cli-host.ts';
import { startInTerminal } from './support/host-terminal.ts';
import type { CliHost } from './support/cli-host.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Session {
  readonly session: number;
  readonly pid: number;
  readonly exit: { readonly code?: number; readonly signal?: number } | null;
  readonly argv: readonly string[];
}

async function sessionsOf(host: CliHost): Promise<readonly Session[]> {
  return (await host.json(['sessions', 'dev']))['sessions'] as readonly Session[];
}

async function sessionRunning(host: CliHost, ...argv: readonly string[]): Promise<Session> {
  let found: Session | undefined;
  await eventually(
    async () => {
      found = (await sessionsOf(host)).find(
        (one) => one.exit === null && one.argv.join(' ') === argv.join(' '),
      );
      return found !== undefined;
    },
    `a session ${argv.join(' ')}`,
    async () => JSON.stringify(await sessionsOf(host)),
  );
  assert.ok(found !== undefined);
  return found;
}

await test('commands in a VM', async (t) => {
  await withHosts(async (make) => {
    const host = await make('a');
    await host.must(['up', 'dev', ...smallVm]);
    const exec = (...args: readonly string[]) => host.run(['exec', 'dev', '--', ...args]);

    await t.test('standard output and error stay apart, and the status is the command’s own', async () => {
      const both = await exec('sh', '-c', 'echo out; echo err >&2; exit 7');
      assert.deepEqual([both.stdout, both.stderr, both.status], ['out\n', 'err\n', 7]);
      const silent = await exec('true');
      assert.deepEqual([silent.stdout, silent.stderr, silent.status], ['', '', 0]);
      const withoutDashes = await host.must(['exec', 'dev', 'echo', '--json', '-n']);
      assert.equal(withoutDashes.stdout, '--json -n\n', 'options behind the command are the command’s');
      const bytes = await exec('sh', '-c', String.raw`printf '\000\377\n\r\033[0m'`);
      assert.deepEqual([...bytes.output], [0, 255, 10, 13, 27, 91, 48, 109]);
    });

    await t.test(
      'a command that cannot start, a signal and a time that is over have their statuses',
      async () => {
        assert.match(
          await host.fails('command_not_executable', ['exec', 'dev', '--', '/no/such/thing']),
          /\/no\/such\/thing/,
        );
        await host.fails('command_not_executable', ['exec', 'dev', '--', '/etc/hostname']);
        assert.equal((await exec('sh', '-c', 'no-such-command')).status, 127, 'the guest’s shell says it');
        assert.equal((await exec('sh', '-c', 'kill -9 $$')).status, 137);
        assert.equal((await exec('sh', '-c', 'kill -TERM $$')).status, 143);
        const late = await host.run(['exec', '--timeout', '300ms', 'dev', '--', 'sleep', '60']);
        assert.equal(late.status, 124);
        assert.match(late.stderr, /\[exec_timeout\]/);
        const inTime = await host.run(['exec', '--timeout', '20s', 'dev', '--', 'sh', '-c', 'exit 3']);
        assert.equal(inTime.status, 3);
      },
    );

    await t.test('environment, folder and user are as asked', async () => {
      const script = 'echo "$GREETING|$EMPTY|$PWD|$(id -un)|$HOME"';
      const asked = ['--env', 'GREETING=a b=c', '--env', 'EMPTY=', '--cwd', '/tmp', '--user', 'nobody'];
      const { stdout } = await host.must(['exec', ...asked, 'dev', '--', 'sh', '-c', script]);
      assert.match(stdout, /^a b=c\|\|\/tmp\|nobody\|/);
      assert.match((await exec('sh', '-c', script)).stdout, /^\|\|\/root\|root\|\/root$/m);
      assert.equal(
        await host.fails('command_not_executable', ['exec', '--cwd', '/no/such', 'dev', '--', 'true']),
        'cannot run "true" in "/no/such" in the VM: there is no such file or folder (ENOENT).',
      );
      assert.equal(
        await host.fails('invalid_argument', ['exec', '--user', 'nobody-here', 'dev', '--', 'true']),
        'cannot run "true" as "nobody-here" in the VM: there is no such user.',
      );
      await host.fails('usage', ['exec', '--env', 'novalue', 'dev', '--', 'true']);
      await host.fails('usage', ['exec', '--timeout', 'soon', 'dev', '--', 'true']);
    });

    await t.test('5 MB go through standard input, and 20 MB come out, complete', async () => {
      const input = randomBytes(5_000_000);
      const echoed = await host.must(['exec', '-i', 'dev', '--', 'cat'], { input });
      assert.equal(sha256(echoed.output), sha256(input));
      assert.equal((await host.must(['exec', 'dev', '--', 'cat'])).stdout, '', 'no input unless asked');
      assert.equal((await host.must(['exec', '-i', 'dev', '--', 'wc', '-c'], { input: '' })).stdout, '0\n');
      // A command that does not read its input to the end.
      const cut = await host.must(['exec', '-i', 'dev', '--', 'head', '-c', '3'], { input });
      assert.equal(sha256(cut.output), sha256(input.subarray(0, 3)));
      const script = 'head -c 20000000 /dev/zero | tr "\\0" k; echo done >&2';
      const large = await exec('sh', '-c', script);
      assert.deepEqual([large.status, large.stderr], [0, 'done\n']);
      assert.equal(sha256(large.output), sha256(Buffer.alloc(20_000_000, 'k')));
    });

    await t.test('a flood waits for a slow reader, and nobody grows', async () => {
      const flood = host.start(['exec', 'dev', '--', 'sh', '-c', 'yes flood; true']);
      await flood.untilStdout(/flood/);
      flood.child.stdout?.pause();
      const other = await host.must(['exec', 'dev', '--', 'echo', 'still here']);
      assert.equal(other.stdout, 'still here\n', 'another command is answered meanwhile');
      await delay(1000);
      assert.ok((await residentMib(await host.daemonPid())) < 200, 'the daemon does not hold the flood');
      flood.child.stdout?.resume();
      // The reader goes away, as `| head` does.
      flood.child.stdout?.destroy();
      const [code] = await new Promise<[number | null]>((resolve) =>
        flood.child.once('exit', (status: number | null) => resolve([status])),
      );
      assert.equal(code, 141, 'as a program that SIGPIPE ended');
      const { session } = await sessionRunning(host, 'sh', '-c', 'yes flood; true');
      await host.must(['sessions', 'dev', '--kill', String(session), '--signal', 'KILL']);
      await host.sh('dev', 'pkill -9 yes || test $? = 1');
    });

    await t.test('Ctrl-C goes to the command, the third lets go of it', async () => {
      const handler = 'trap "echo caught; exit 5" INT; echo ready; while :; do sleep 0.1; done';
      const polite = host.start(['exec', 'dev', '--', 'sh', '-c', handler]);
      await polite.untilStdout(/ready/);
      polite.signal('SIGINT');
      const { status, stdout } = await polite.result;
      assert.deepEqual([status, stdout], [5, 'ready\ncaught\n']);

      const deaf = 'trap "echo no" INT; echo ready; while :; do sleep 0.1; done';
      const stubborn = host.start(['exec', 'dev', '--', 'sh', '-c', deaf]);
      await stubborn.untilStdout(/ready/);
      for (const count of [1, 2]) {
        stubborn.signal('SIGINT');
        await stubborn.untilStdout(new RegExp(`(?:no\\n){${count}}`));
      }
      stubborn.signal('SIGINT');
      const released = await stubborn.result;
      assert.equal(released.status, 0);
      assert.match(released.stderr, /let go; the command runs on: kelpie sessions dev/);
      const { session } = await sessionRunning(host, 'sh', '-c', deaf);
      await host.must(['sessions', 'dev', '--kill', String(session), '--signal', 'KILL']);
      await host.fails('usage', ['attach', 'dev', 'x']);
    });

    await t.test('a detached command is listed, joined, signalled and forgotten', async () => {
      const script = 'echo early; read line; echo "got $line"; sleep 60';
      const started = await host.json(['exec', '--detach', '-i', 'dev', '--', 'sh', '-c', script]);
      const session = String(started['session']);
      assert.equal(typeof started['pid'], 'number');
      const joined = host.start(['attach', 'dev', session]);
      await joined.untilStdout(/early\n/);
      joined.child.stdin?.write('a line\n');
      await joined.untilStdout(/got a line\n/);
      await host.must(['sessions', 'dev', '--kill', session]);
      assert.equal((await joined.result).status, 143);
      const again = await host.run(['attach', 'dev', session]);
      assert.deepEqual([again.status, again.stdout], [143, 'early\ngot a line\n'], 'what was said is kept');
      assert.match((await host.must(['sessions', 'dev'])).stdout, /ended by signal 15/);
      await host.must(['sessions', 'dev', '--forget', session]);
      assert.match(await host.fails('session_not_found', ['attach', 'dev', session]), /kelpie sessions dev/);
      await host.fails('session_not_found', ['sessions', 'dev', '--kill', session]);
      await host.fails('usage', ['sessions', 'dev', '--kill', session, '--signal', 'NOPE']);
      const plain = await host.must(['exec', '-d', 'dev', '--', 'true']);
      assert.match(plain.stdout, /^session \d+ \(pid \d+\): kelpie attach dev \d+\n$/);
    });

    await t.test('a terminal: raw keys, its size and its changes, Ctrl-C', async () => {
      const shell = startInTerminal(host, ['exec', '-it', 'dev', '--', 'bash', '--norc'], {
        rows: 30,
        columns: 90,
      });
      await shell.until(/bash-5\S* $/);
      await shell.type('stty size; tty\n', /30 90\r\n\/dev\/pts\/\d+\r\n/);
      // The guest's terminal alone decides about line ends, or full-screen programs are torn apart.
      await shell.type('stty -opost; printf "left\\nbelow\\r\\n"; stty opost\n', /l\rleft\nbelow\r\n/);
      await shell.resize({ rows: 41, columns: 123 });
      await shell.type('stty size\n', /41 123/);
      // The terminal drops what was typed before Ctrl-C took effect, and bash drops a Ctrl-C that comes before its child has the
      // terminal: wait until the child itself speaks, and until the shell asks again.
      await shell.type("sh -c 'echo go-$((1 + 1)); exec sleep 600'\n", /go-2\r\n/);
      await shell.type('\u0003', /\^C[^]*bash-5\S* $/);
      await shell.type('test -t 0 && test -t 1 && echo is-a-$((40 + 2))\n', /is-a-42/);
      await shell.type('exit 9\n', /exit/);
      assert.equal((await shell.result).status, 9);
    });

    await t.test('a terminal: Ctrl-P Ctrl-Q lets go, attach joins it again', async () => {
      const shell = startInTerminal(host, ['exec', '-it', 'dev', '--', 'bash', '--norc', '-l']);
      await shell.until(/# $/);
      await shell.type('MARK=kept; echo ready-$((1 + 1))\n', /ready-2/);
      await shell.type('\u0010\u0011', /let go; the command runs on/);
      assert.equal((await shell.result).status, 0);
      const { session } = await sessionRunning(host, 'bash', '--norc', '-l');
      const joined = startInTerminal(host, ['attach', 'dev', String(session)]);
      await joined.type('echo "mark $MARK"\n', /mark kept/);
      await joined.type('exit\n', /exit/);
      assert.equal((await joined.result).status, 0);
    });

    await t.test('commands at once do not disturb each other', async () => {
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          host.must(['exec', 'dev', '--', 'sh', '-c', `sleep 0.${index}; echo ${index}`]),
        ),
      );
      assert.deepEqual(
        results.map(({ stdout }) => stdout.trim()),
        ['0', '1', '2', '3', '4', '5', '6', '7'],
      );
    });

    await t.test('errors as JSON have the same code and sentence', async () => {
      const { status, stdout } = await host.run(['exec', '--json', 'nobody', '--', 'true']);
      assert.equal(status, 66);
      const error = objectOf(objectOf(JSON.parse(stdout))['error']);
      assert.equal(error['code'], 'vm_not_found');
      assert.match(String(error['message']), /"nobody"/);
    });
  });
});

async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
