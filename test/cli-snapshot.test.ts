/** Snapshots, the life of a VM, and what happens to it, through the real command line. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { eventually } from './support/eventually.ts';
import { failure, objectOf, smallVm, withHosts } from './support/cli-host.ts';
import { isAlive } from './support/host-processes.ts';
import type { CliHost } from './support/cli-host.ts';

interface SnapshotEntry {
  readonly id: string;
  readonly parentId: string | null;
  readonly message: string;
}

async function snapshotsOf(host: CliHost): Promise<readonly SnapshotEntry[]> {
  return (await host.json(['log', 'dev']))['snapshots'] as readonly SnapshotEntry[];
}

async function takeSnapshot(host: CliHost, message: string): Promise<string> {
  const { snapshot } = await host.json(['snapshot', 'dev', '-m', message]);
  return String(objectOf(snapshot)['id']);
}

/** A process whose state is only in memory: it appends the line that it is given to a list and tells the list. */
const memoryProgram = String.raw`
import os, socket
server = socket.socket(socket.AF_UNIX); server.bind("/run/memory.sock"); server.listen()
kept = []
while True:
    connection, _ = server.accept()
    word = connection.recv(99).decode()
    if word != "?": kept.append(word)
    connection.sendall(f"{os.getpid()} {' '.join(kept)}".encode()); connection.close()
`;

async function remember(host: CliHost, word: string, vm = 'dev'): Promise<string> {
  const ask = `import socket; s = socket.socket(socket.AF_UNIX); s.connect("/run/memory.sock"); s.send(b"${word}"); print(s.recv(999).decode())`;
  return (await host.must(['exec', vm, '--', 'python3', '-c', ask])).stdout.trim();
}

async function untilState(host: CliHost, state: string): Promise<number> {
  return eventually(
    async () => (await host.state('dev')) === state,
    `the VM is ${state}`,
    () => host.state('dev'),
  );
}

await test('snapshots and the life of a VM', async (t) => {
  await withHosts(async (make) => {
    const host = await make('a');
    await host.must(['up', 'dev', ...smallVm]);
    await host.must(['exec', '-d', 'dev', '--', 'python3', '-c', memoryProgram]);
    await host.sh('dev', 'until test -S /run/memory.sock; do sleep 0.05; done');
    const pid = (await remember(host, 'one')).split(' ')[0];
    const ids: Record<string, string> = {};

    await t.test('a snapshot has a message, and the VM goes on', async () => {
      assert.match((await host.must(['log', 'dev'])).stdout, /no snapshots of dev yet: kelpie snapshot dev/);
      await host.fails('snapshot_not_found', ['restore', 'dev', '--replace']);
      await host.sh('dev', 'echo first > /root/file; sync');
      const taken = await host.must(['snapshot', 'dev', '-m', 'the first']);
      assert.match(
        taken.stdout,
        /^snapshot [0-9a-f-]{12} of dev \(paused for [\d.]+ m?s, [\d.]+ [KMG]iB written\)\n$/,
      );
      const [first] = await snapshotsOf(host);
      assert.ok(first !== undefined);
      ids['first'] = first.id;
      assert.deepEqual([first.message, first.parentId], ['the first', null]);
      assert.equal(await remember(host, 'two'), `${pid} one two`);
      await host.sh('dev', 'echo second > /root/file');
      ids['second'] = await takeSnapshot(host, 'the second');
    });

    await t.test('back to each, forth again, and a branch', async () => {
      await remember(host, 'lost');
      assert.match(await host.fails('invalid_state', ['restore', 'dev']), /running; stop it first/);
      await host.must(['restore', 'dev', '--snapshot', ids['first'] ?? '', '--replace']);
      assert.equal(await remember(host, '?'), `${pid} one`, 'memory is of the moment of the snapshot');
      assert.equal(await host.sh('dev', 'cat /root/file'), 'first', 'the disk too');
      await host.must(['restore', 'dev', '--snapshot', (ids['second'] ?? '').slice(0, 9), '--replace']);
      assert.equal(await remember(host, '?'), `${pid} one two`);
      assert.equal(await host.sh('dev', 'cat /root/file'), 'second');

      await host.must(['restore', 'dev', '--snapshot', ids['first'] ?? '', '--replace']);
      await remember(host, 'other');
      ids['branch'] = await takeSnapshot(host, 'another way');
      const tree = (await host.must(['log', 'dev'])).stdout;
      assert.match(tree, /^o .*the first\n├─o .*the second\n● .*another way {2}← the VM stands here\n$/);
      await host.must(['restore', 'dev', '--replace']);
      assert.equal(await remember(host, '?'), `${pid} one other`, 'the last one is where it stands');
      await host.fails('snapshot_not_found', ['restore', 'dev', '--snapshot', 'ffff-0', '--replace']);
    });

    await t.test('removed snapshots free their blobs, the others can still be restored', async () => {
      const blobs = async (): Promise<number> => (await readdir(join(host.home, 'blobs'))).length;
      const before = await blobs();
      await host.must(['snapshot', 'dev', '--rm', ids['second'] ?? '']);
      await eventually(async () => (await blobs()) < before, 'its blobs are removed');
      await host.fails('snapshot_not_found', ['snapshot', 'dev', '--rm', ids['second'] ?? '']);
      assert.deepEqual(
        (await snapshotsOf(host)).map(({ message }) => message),
        ['the first', 'another way'],
      );
      await host.must(['restore', 'dev', '--snapshot', ids['first'] ?? '', '--replace']);
      assert.equal(await remember(host, '?'), `${pid} one`);
      const inUse = ['snapshot', 'dev', '--rm', ids['first'] ?? ''];
      assert.match(await host.fails('snapshot_in_use', inUse), /runs from/);
      await host.fails('usage', ['prune', 'dev']);
      await host.fails('usage', ['prune', '--keep-last', '0']);
      for (const how of [['--dry-run'], []]) {
        const { stdout } = await host.must(['prune', '--keep-last', '1', ...how]);
        assert.match(stdout, / kept: running +the first\n/);
        assert.match(stdout, / kept: last +another way\n/);
        assert.match(
          stdout,
          how.length > 0 ? /^0 of 2 snapshots would be removed/m : /^0 of 2 snapshots removed/m,
        );
      }
    });

    await t.test(
      'three copies go on with the same process and memory, and go apart; the VM is not touched',
      async () => {
        const before = { log: await snapshotsOf(host), word: await remember(host, '?') };
        const told = await host.must(['fork', 'dev', 'try', '--count', '3']);
        assert.match(
          told.stdout,
          /^try-1 try-2 try-3 are 3 running copies of dev \(.*; dev paused for [\d.]+ m?s\)\n$/,
        );
        const copies = ['try-1', 'try-2', 'try-3'];
        const machineIds = new Set([await host.sh('dev', 'cat /etc/machine-id')]);
        const random = new Set<string>();
        for (const copy of copies) {
          assert.equal(
            await remember(host, copy, copy),
            `${before.word} ${copy}`,
            'the same process, alone with its word',
          );
          await host.sh(copy, `echo ${copy} > /root/file`);
          assert.equal(await host.sh(copy, 'hostname'), copy);
          machineIds.add(await host.sh(copy, 'cat /etc/machine-id'));
          random.add(await host.sh(copy, 'cat /proc/sys/kernel/random/uuid'));
          assert.equal(objectOf(objectOf(await host.json(['inspect', copy]))['forkedFrom'])['vmName'], 'dev');
        }
        assert.equal(machineIds.size, 4);
        assert.equal(random.size, 3);
        assert.equal(await remember(host, '?'), before.word);
        assert.equal(await host.sh('dev', 'cat /root/file'), 'first');
        assert.deepEqual(await snapshotsOf(host), before.log);
        await host.must(['restore', 'try-1', '--replace']);
        assert.equal(await remember(host, '?', 'try-1'), before.word, 'back where it began');
        assert.equal(await host.sh('try-1', 'hostname'), 'try-1');
        await host.fails('name_taken', ['fork', 'dev', 'try-1']);
        for (const copy of copies) await host.must(['rm', '--force', copy]);
      },
    );

    await t.test('pause stops the clock, resume lets it go on', async () => {
      await host.must([
        'exec',
        '-d',
        'dev',
        '--',
        'sh',
        '-c',
        'i=0; while :; do i=$((i + 1)); echo $i > /run/ticks; sleep 0.05; done',
      ]);
      await host.sh('dev', 'until test -s /run/ticks; do sleep 0.05; done');
      assert.equal((await host.must(['pause', 'dev'])).stdout, 'dev is paused\n');
      assert.match(await host.fails('invalid_state', ['pause', 'dev']), /paused/);
      assert.match((await host.must(['ps'])).stdout, /dev +paused/);
      await host.fails('invalid_state', ['exec', 'dev', '--', 'true']);
      assert.equal((await host.must(['resume', 'dev'])).stdout, 'dev is running\n');
      await host.fails('invalid_state', ['resume', 'dev']);
      const seen = Number(await host.sh('dev', 'cat /run/ticks'));
      await eventually(async () => Number(await host.sh('dev', 'cat /run/ticks')) > seen, 'it ticks on');
    });

    await t.test('asleep it takes no process, and outlives its daemon; awake it goes on', async () => {
      const qemu = await host.qemuPid('dev');
      await remember(host, 'asleep');
      assert.match(
        (await host.must(['suspend', 'dev', '-m', 'for the night'])).stdout,
        /^dev is suspended in snapshot [0-9a-f-]{12} \([\d.]+ [KMG]iB written\): kelpie resume dev\n$/,
      );
      assert.equal(await isAlive(qemu), false);
      await host.must(['daemon', 'restart']);
      assert.match((await host.must(['ps'])).stdout, /dev +suspended/);
      assert.match(await host.fails('invalid_state', ['up', 'dev']), /suspended; `kelpie resume dev`/);
      await host.fails('invalid_state', ['suspend', 'dev']);
      const [last] = (await snapshotsOf(host)).slice(-1);
      assert.equal(last?.message, 'for the night');
      const isIn = await host.fails('snapshot_in_use', ['snapshot', 'dev', '--rm', last.id]);
      assert.match(isIn, /suspended in snapshot/);
      assert.equal((await host.must(['resume', 'dev'])).stdout, 'dev is running\n');
      assert.equal(await remember(host, '?'), `${pid} one asleep`);
    });

    await t.test('two commands on one VM: the second is told', async () => {
      const results = await Promise.all([
        host.run(['restore', 'dev', '--replace']),
        host.run(['snapshot', 'dev']),
        host.run(['stop', 'dev']),
        host.run(['restore', 'dev', '--replace']),
      ]);
      const refused = results.filter(({ status }) => status === 75);
      assert.ok(refused.length > 0, 'not all of them can have had it alone');
      for (const result of refused) {
        const code = /\[vm_busy\]/.test(result.stderr) ? 'vm_busy' : 'invalid_state';
        assert.match(failure(code, result, 'at once'), /"dev"/);
      }
      assert.ok(
        refused.some(({ stderr }) => stderr.includes('[vm_busy]')),
        results.map(({ stderr }) => stderr).join(''),
      );
      const ended = new Set([0, 75]);
      for (const { status, stderr } of results) assert.ok(ended.has(status), stderr);
      if ((await host.state('dev')) !== 'running') await host.must(['restore', 'dev']);
    });

    await t.test('a VM whose QEMU is killed has crashed, within a second, and comes back', async () => {
      await host.must(['restore', 'dev', '--snapshot', ids['branch'] ?? '', '--replace']);
      process.kill(await host.qemuPid('dev'), 'SIGKILL');
      const withinMs = await untilState(host, 'crashed');
      assert.ok(withinMs < 1500, `noticed after ${withinMs} ms, which includes asking`);
      const detail = await host.json(['inspect', 'dev']);
      assert.match(String(detail['reason']), /\w+/);
      assert.equal(detail['pid'], null);
      assert.match(await host.fails('vm_crashed', ['exec', 'dev', '--', 'true']), /restore or start it/);
      await host.must(['logs', 'dev']);
      await host.must(['restore', 'dev']);
      assert.equal(await remember(host, '?'), `${pid} one other`);
    });

    await t.test(
      'a VM that crashes while its snapshot is taken comes back from the last whole one',
      async () => {
        const before = await snapshotsOf(host);
        const qemu = await host.qemuPid('dev');
        const taking = host.start(['snapshot', 'dev', '-m', 'cut'], { input: '' });
        await taking.untilStderr(/^capture …$/m);
        process.kill(qemu, 'SIGKILL');
        const { status, stderr } = await taking.result;
        if (status !== 0) {
          assert.equal(status, 74, stderr);
          assert.match(stderr, /^kelpie: .*\. \[(?:vm_crashed|snapshot_failed)\]$/m);
          assert.deepEqual(await snapshotsOf(host), before, 'no half snapshot is listed');
        }
        await untilState(host, 'crashed');
        await host.must(['restore', 'dev', '--snapshot', ids['branch'] ?? '']);
        assert.equal(await remember(host, '?'), `${pid} one other`);
      },
    );

    await t.test('a guest that turns itself off or panics is told', async () => {
      const off = await host.run([
        'exec',
        'dev',
        '--',
        'sh',
        '-c',
        'sync; echo o > /proc/sysrq-trigger; sleep 60',
      ]);
      assert.notEqual(off.status, 0);
      await eventually(async () => (await host.state('dev')) !== 'running', 'it is off');
      await host.must(['restore', 'dev']);
      await host.run([
        'exec',
        '--timeout',
        '5s',
        'dev',
        '--',
        'sh',
        '-c',
        'echo 1 > /proc/sys/kernel/panic_on_oops; echo c > /proc/sysrq-trigger',
      ]);
      await untilState(host, 'crashed');
      assert.match(
        String((await host.json(['inspect', 'dev']))['reason']),
        /guest-(?:panic|reset)/,
        'it ends by a panic',
      );
      await host.must(['restore', 'dev']);
      assert.equal(await remember(host, '?'), `${pid} one other`);
    });

    await t.test('a guest that does not answer is told, and can be gone back', async () => {
      const qemu = await host.qemuPid('dev');
      process.kill(qemu, 'SIGSTOP');
      const started = performance.now();
      const result = await host.run(['exec', 'dev', '--', 'true']);
      assert.ok([74, 75, 69].includes(result.status), result.stderr);
      assert.match(result.stderr, /^kelpie: .*\. \[[a-z_]+\]$/m);
      assert.ok(performance.now() - started < 45_000, 'in bounded time');
      await host.must(['restore', 'dev', '--replace']);
      assert.ok(!(await isAlive(qemu)));
      assert.equal(await remember(host, '?'), `${pid} one other`);
    });

    await t.test('the daemon is killed: the next command finds the running VM', async () => {
      const qemu = await host.qemuPid('dev');
      const uptime = Number(await host.sh('dev', 'cut -d. -f1 /proc/uptime'));
      await host.killDaemon();
      assert.equal(await remember(host, 'later'), `${pid} one other later`);
      assert.equal(await host.qemuPid('dev'), qemu);
      assert.ok(Number(await host.sh('dev', 'cut -d. -f1 /proc/uptime')) >= uptime);
      await host.killDaemon();
      process.kill(qemu, 'SIGKILL');
      await eventually(async () => !(await isAlive(qemu)), 'QEMU is gone');
      assert.equal(await host.state('dev'), 'crashed', 'both gone: told by the next command');
      await host.must(['restore', 'dev']);
    });

    await t.test('stop and up: it boots from its disk', async () => {
      await host.sh('dev', 'echo kept > /root/on-disk');
      assert.equal((await host.must(['stop', 'dev'])).stdout, 'dev is stopped\n');
      await host.fails('invalid_state', ['stop', 'dev']);
      assert.match(await host.fails('invalid_state', ['exec', 'dev', '--', 'true']), /stopped/);
      assert.match((await host.must(['up', 'dev'])).stdout, /^dev is running/);
      assert.equal(
        await host.sh('dev', 'cat /root/on-disk; ls /run/memory.sock 2>/dev/null || echo fresh'),
        'kept\nfresh',
      );
      assert.match(await host.fails('invalid_state', ['up', 'dev']), /running/);
      await host.fails('name_taken', ['up', 'dev', '--memory', '512']);
      await host.must(['stop', '--force', 'dev']);
      await host.must(['restore', 'dev']);
      assert.equal(await remember(host, '?'), `${pid} one other`, 'its snapshots are still there');
    });

    await t.test('a VM that is removed is gone with its files; a running one only by force', async () => {
      const qemu = await host.qemuPid('dev');
      assert.match(await host.fails('invalid_state', ['rm', 'dev']), /running/);
      assert.equal(await host.state('dev'), 'running');
      assert.equal((await host.must(['rm', '--force', 'dev'])).stdout, 'dev is removed\n');
      assert.ok(!(await isAlive(qemu)));
      for (const line of [
        ['rm', 'dev'],
        ['stop', 'dev'],
        ['snapshot', 'dev'],
        ['log', 'dev'],
        ['logs', 'dev'],
        ['teleport', 'dev', '--to', '/tmp'],
      ])
        await host.fails('vm_not_found', line);
    });
  });
});
