/** Everything around commands, on a real VM: files and folders, ports, what a person and what a script is told. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { routes } from '../src/daemon/api/routes.ts';
import { eventually } from './support/eventually.ts';
import { launcher, objectOf, smallVm, withHosts } from './support/cli-host.ts';
import { startInTerminal } from './support/host-terminal.ts';
import { isAlive } from './support/host-processes.ts';
import type { CliHost } from './support/cli-host.ts';

const isColoured = (text: string): boolean => text.includes('\u001B[');

/** A port of this machine that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

await test('tools around a VM', async (t) => {
  await withHosts(async (make, scratch) => {
    const host = await make('a');
    const port = await freePort();
    const local = (name: string): string => join(scratch, name);

    await t.test('what is asked before there is a VM', async () => {
      const none = await host.must(['version']);
      assert.match(none.stdout, /^kelpie \d+\.\d+\.\d+\ndaemon not running\n$/);
      assert.deepEqual(await host.json(['daemon', 'status']), { running: false });
      assert.match((await host.must(['ps'])).stdout, /no VMs on this host yet: kelpie up NAME makes one/);
      assert.match(await host.fails('vm_not_found', ['exec', 'dev', '--', 'true']), /kelpie ps/);
      assert.match(
        (await host.must(['image', 'ls'])).stdout,
        /^NAME +VERSION[\s\S]*\nbase +1\.\d+\.\d+ +x86_64 /,
      );
    });

    const started = await host.run(['up', 'dev', ...smallVm, '--publish', `${port}:8000`]);

    await t.test('progress without a terminal is plain lines, the result stands alone', () => {
      assert.equal(started.status, 0, started.stderr);
      assert.match(started.stdout, /^dev is running \([\d.]+ m?s: .*\)\n$/);
      assert.match(started.stderr, /^process …\nboot …\n$/);
    });

    await t.test('files go in and come out with their modes, whole', async () => {
      const bytes = randomBytes(20_000_000);
      await writeFile(local('big file.bin'), bytes, { mode: 0o640 });
      await writeFile(local('empty'), '');
      await host.must(['cp', 'big file.bin', 'dev:/root/made/on/the way'], { cwd: scratch });
      assert.equal(await host.sh('dev', 'stat -c "%a %s %U" "/root/made/on/the way"'), '640 20000000 root');
      await host.must(['cp', 'dev:/root/made/on/the way', local('back')]);
      assert.ok((await readFile(local('back'))).equals(bytes));
      assert.equal((await stat(local('back'))).mode & 0o777, 0o640);
      const copied = await host.json(['cp', local('empty'), 'dev:/root/']);
      assert.deepEqual([copied['copiedBytes'], await host.sh('dev', 'stat -c %s /root/empty')], [0, '0']);
      await mkdir(local('into'));
      await host.must(['cp', 'dev:/root/empty', local('into')]);
      assert.equal((await readFile(local('into/empty'))).byteLength, 0);
    });

    await t.test('folders go in and come out', async () => {
      await mkdir(local('tree/sub folder/empty'), { recursive: true });
      await writeFile(local('tree/sub folder/ä "quoted"'), 'x', { mode: 0o755 });
      await writeFile(local('tree/.hidden'), '');
      await symlink('.hidden', local('tree/link'));
      await host.must(['cp', local('tree'), 'dev:/root/new name']);
      const listing = 'cd /root/"new name" && find . -printf "%y %m %p %l\\n" | LC_ALL=C sort';
      const inside = await host.sh('dev', listing);
      assert.match(inside, /d \d+ \.\/sub folder\/empty/);
      assert.match(inside, /f 755 \.\/sub folder\/ä "quoted"/);
      assert.match(inside, /l \d+ \.\/link \.hidden/);
      await host.must(['cp', local('tree'), 'dev:/root']);
      assert.equal(await host.sh('dev', 'ls -A /root/tree'), '.hidden\nlink\nsub folder');
      await host.must(['cp', 'dev:/root/new name', local('out')]);
      assert.deepEqual((await readdir(local('out'))).toSorted(), ['.hidden', 'link', 'sub folder']);
      assert.equal((await stat(local('out/sub folder/ä "quoted"'))).mode & 0o777, 0o755);
    });

    await t.test('a copy that fails leaves its target as it was', async () => {
      await writeFile(local('source'), 'new');
      assert.match(
        await host.fails('file_not_found', ['cp', local('nothing'), 'dev:/root/x']),
        /nothing on this host/,
      );
      assert.match(
        await host.fails('file_not_found', ['cp', 'dev:/root/nothing', local('x')]),
        /no \/root\/nothing in "dev"/,
      );
      await host.fails('usage', ['cp', local('source'), local('other')]);
      await host.fails('usage', ['cp', local('source'), 'dev:relative']);
      const mount = (folder: string, flags: number): string =>
        `python3 -c 'import ctypes; exit(ctypes.CDLL(None).mount(b"none", b"${folder}", b"tmpfs", ${flags}, b"size=1m"))'`;
      const remountReadOnly = 32 | 1;
      await host.sh(
        'dev',
        `mkdir /root/ro && ${mount('/root/ro', 0)} && echo kept > /root/ro/f && ${mount('/root/ro', remountReadOnly)}`,
      );
      assert.equal(
        await host.fails('guest_failed', ['cp', local('source'), 'dev:/root/ro/f']),
        'cannot write /root/ro/f in the VM: it lies on a read-only file system (EROFS).',
      );
      assert.equal(await host.sh('dev', 'cat /root/ro/f; ls -A /root/ro'), 'kept\nf');
      // The target of the host: a folder that is not there, and one that is a file.
      await host.fails('file_not_found', ['cp', 'dev:/root/empty', local('no/folder/x')]);
      await writeFile(local('a file'), 'kept');
      await host.fails('io_failed', ['cp', 'dev:/root/empty', local('a file/x')]);
      assert.equal(await readFile(local('a file'), 'utf8'), 'kept');
      // A disk that becomes full on the way.
      await host.sh('dev', `mkdir /root/small && ${mount('/root/small', 0)} && echo kept > /root/small/f`);
      assert.match(
        await host.fails('guest_failed', ['cp', local('big file.bin'), 'dev:/root/small/f']),
        /full/,
      );
      assert.equal(await host.sh('dev', 'cat /root/small/f; ls -A /root/small'), 'kept\nf');
    });

    await t.test('a server in the VM is reached through its published port', async () => {
      await host.sh('dev', 'mkdir -p /root/www && echo "from the guest" > /root/www/page');
      await host.must(['exec', '-d', '-w', '/root/www', 'dev', '--', 'python3', '-m', 'http.server', '8000']);
      let text = '';
      await eventually(async () => {
        text = await fetch(`http://127.0.0.1:${port}/page`).then(
          (response) => response.text(),
          () => '',
        );
        return text !== '';
      }, 'the server answers');
      assert.equal(text, 'from the guest\n');
      assert.match((await host.must(['ps'])).stdout, new RegExp(`${port}:8000`));
      assert.match(
        await host.fails('port_taken', ['up', 'second', ...smallVm, '-p', `${port}:80`]),
        new RegExp(`${port}`),
      );
      assert.doesNotMatch((await host.must(['ps'])).stdout, /second/, 'what failed to start is not there');
    });

    await t.test('every command speaks JSON of the documented shape', async () => {
      const shapes = [
        [['ps'], routes.vmList],
        [['inspect', 'dev'], routes.vmInspect],
        [['log', 'dev'], routes.snapshotLog],
        [['sessions', 'dev'], routes.sessionList],
        [['image', 'ls'], routes.imageList],
        [['doctor'], routes.doctor],
        [['pause', 'dev'], routes.vmPause],
        [['resume', 'dev'], routes.vmResume],
      ] as const;
      for (const [args, route] of shapes) {
        const schema = await route.result?.();
        const parsed = schema?.safeParse(await host.json(args));
        assert.ok(parsed?.success === true, `${args.join(' ')}: ${parsed?.error?.message}`);
      }
      assert.match(String((await host.json(['logs', 'dev']))['console']), /kelpie-agent: ready/);
      assert.match(String((await host.json(['completion', 'bash']))['script']), /complete -F/);
      const { daemon } = await host.json(['version']);
      assert.ok(await isAlive(Number(objectOf(daemon)['pid'])));
      assert.deepEqual(Object.keys(await host.json(['daemon', 'status'])), [
        'running',
        'uptimeMs',
        'vms',
        'operations',
      ]);
      const failed = await host.run(['up', 'dev', '--memory', '512', '--json']);
      assert.equal(objectOf(objectOf(JSON.parse(failed.stdout))['error'])['code'], 'name_taken');
      assert.deepEqual([failed.status, failed.stderr], [64, '']);
    });

    await t.test('people are told the same, without colours where there is no terminal', async () => {
      for (const args of [
        ['ps'],
        ['doctor'],
        ['log', 'dev'],
        ['logs', 'dev'],
        ['inspect', 'dev'],
        ['sessions', 'dev'],
      ]) {
        const { stdout } = await host.must(args);
        if (args[0] !== 'logs') assert.ok(!isColoured(stdout), args.join(' '));
        assert.notEqual(stdout.trim(), '', args.join(' '));
      }
      const onTerminal = async (line: readonly string[]): Promise<string> =>
        (await startInTerminal(host, line).result).stdout;
      assert.ok(isColoured(await onTerminal(['ps'])));
      assert.ok(!isColoured(await onTerminal(['--no-color', 'ps'])));
      const plain = startInTerminal(host, ['ps'], undefined, { NO_COLOR: '1' });
      assert.ok(!isColoured((await plain.result).stdout));
    });

    await t.test('completion in a real bash knows commands, members and VMs', async () => {
      const complete = async (...words: readonly string[]): Promise<readonly string[]> => {
        const quoted = words.map((word) => `'${word}'`).join(' ');
        const script = `source <(kelpie completion bash); COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _kelpie; printf '%s\\n' "\${COMPREPLY[@]}"`;
        const path = `${join(launcher, '..')}:${process.env['PATH'] ?? ''}`;
        const { stdout, stderr, status } = await host.startProgram('bash', ['-c', script], {
          env: { PATH: path },
        }).result;
        assert.deepEqual([status, stderr], [0, '']);
        return stdout.trim().split('\n').filter(Boolean);
      };
      assert.deepEqual(await complete('kelpie', 'tel'), ['teleport']);
      assert.deepEqual(await complete('kelpie', 'exec', 'd'), ['dev']);
      assert.deepEqual(await complete('kelpie', 'image', ''), ['build', 'ls', 'rm']);
      assert.deepEqual((await complete('kelpie', 're')).toSorted(), ['reclaim', 'restore', 'resume']);
    });

    await t.test('bad sizes and names are refused by a sentence that says what is allowed', async () => {
      for (const [args, wanted] of [
        [['up', 'x', '--memory', '16'], /--memory must be 128 … 65536 MiB, not 16/],
        [['up', 'x', '--memory', 'much'], /--memory must be like/],
        [['up', 'x', '--memory', '900000g'], /--memory must be/],
        [['up', 'x', '--cpus', '0'], /--cpus must be 1 … 64, not 0/],
        [['up', 'x', '--cpus', '1.5'], /--cpus must be a whole number/],
        [['up', 'x', '--disk', '1'], /--disk must be 64 …/],
        [['up', 'Bad_Name'], /name/i],
        [['up', 'x', '--publish', '80'], /HOST:GUEST/],
        [['up', 'x', '--publish', '0:80'], /port/i],
        [['up', 'x', '--arch', 'sparc'], /x86_64 or arm64/],
        [['up', 'x', '--portability', 'none'], /host, arch or any/],
      ] as const) {
        const result = await host.run(args);
        assert.equal(result.status, 64, args.join(' '));
        const sentence = result.stderr.trimEnd();
        assert.match(sentence, /^kelpie: .*\. \[(?:usage|invalid_argument)\]$/, args.join(' '));
        assert.match(sentence, wanted);
      }
      assert.deepEqual(((await host.json(['ps']))['vms'] as unknown[]).length, 1);
    });

    await t.test('a home that cannot be used is told', async () => {
      const long = `/tmp/${'long-'.repeat(30)}`;
      assert.match(
        await host.fails('invalid_argument', ['ps', '--home', long]),
        /too long for a Unix socket/,
      );
      await writeFile(local('a file'), '');
      await host.fails('permission_denied', ['ps', '--home', local('a file/home')]);
    });

    await t.test('the daemon is ended and comes back by itself; the VM never noticed', async () => {
      const pid = await host.qemuPid('dev');
      const uptime = Number(await host.sh('dev', 'cut -d. -f1 /proc/uptime'));
      await host.must(['daemon', 'restart']);
      assert.equal(await host.qemuPid('dev'), pid);
      await host.must(['daemon', 'stop']);
      assert.deepEqual(await host.json(['daemon', 'status']), { running: false });
      assert.ok(Number(await host.sh('dev', 'cut -d. -f1 /proc/uptime')) >= uptime);
      assert.equal(await host.qemuPid('dev'), pid);
      await severalAtOnce(host);
    });
  });
});

/** Commands that all find no daemon start one. */
async function severalAtOnce(host: CliHost): Promise<void> {
  await host.must(['daemon', 'stop']);
  const pids = await Promise.all(
    Array.from({ length: 4 }, async () => {
      await host.json(['ps']);
      return host.daemonPid();
    }),
  );
  assert.equal(new Set(pids).size, 1);
}
