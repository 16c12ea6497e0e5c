/**
 * Teleport and restore, cut at every phase that they tell: by Ctrl-C, by the death of the daemon, by the death of the VM. Oracle: the VM
 * runs in one place at most, and it is never lost: it runs here, or it is at rest in the store and goes on from there.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { eventually } from './support/eventually.ts';
import { withHosts } from './support/cli-host.ts';
import { assertGoesOn, bootCounter } from './support/counter-vm.ts';
import { isQemu, processesOf } from './support/host-processes.ts';
import { phaseLine, restorePhases, teleportPhases } from './support/move-phases.ts';
import type { CliHost, RunningCommand, RunResult } from './support/cli-host.ts';
import type { CounterReport } from './support/counter-vm.ts';

interface World {
  readonly host: CliHost;
  readonly store: string;
  seen: CounterReport;
}

/** How many QEMUs run the VM on this host. */
async function running(host: CliHost): Promise<number> {
  return (await processesOf(host.home)).filter(isQemu).length;
}

/** The state, once nothing is being done to the VM; the next command after a daemon's death starts one that recovers. */
async function settledState(host: CliHost): Promise<string> {
  let detail: Readonly<Record<string, unknown>> = {};
  await eventually(
    async () => (detail = await host.json(['inspect', 'dev']))['busy'] === null,
    'the operation is settled',
    () => JSON.stringify(detail),
  );
  assert.deepEqual(await readdir(join(host.home, 'operations')), [], 'no operation is left open');
  return String(detail['state']);
}

/** The oracle; brings the VM back to life on the host when it is at rest. */
async function assertOneVm(world: World): Promise<string> {
  const { host, store } = world;
  const state = await settledState(host);
  assert.ok(state === 'running' || state === 'departed', `it is ${state}`);
  assert.equal(await running(host), state === 'running' ? 1 : 0);
  if (state === 'departed') await host.must(['restore', 'dev', '--from', store]);
  world.seen = await assertGoesOn(host, world.seen);
  assert.equal(await running(host), 1);
  return state;
}

/** Starts the command, cuts it at the phase, and waits for what it says. A phase may be over before we have seen it. */
async function cutAt(
  { host }: World,
  args: readonly string[],
  phase: string,
  cut: (command: RunningCommand) => void,
): Promise<RunResult> {
  const command = host.start(args, { input: '' });
  await command.untilStderr(phaseLine(phase));
  cut(command);
  const result = await command.result;
  if (result.status !== 0)
    assert.match(
      result.stderr,
      /^kelpie: .*\. \[(?:canceled|daemon_unavailable|vm_crashed|vm_backend_failed)\]$/m,
    );
  return result;
}

const interrupt = (command: RunningCommand): void => command.signal('SIGINT');

/** Thirty operations with their repair; two minutes on two idle cores. */
const TIMEOUT_MS = 540_000;

await test('operations that are cut', { timeout: TIMEOUT_MS }, async (t) => {
  await withHosts(async (make, scratch) => {
    const host = await make('a');
    const store = join(scratch, 'store');
    await mkdir(store);
    const world: World = { host, store, seen: await bootCounter(host) };
    const teleport = ['teleport', 'dev', '--to', store];
    const restore = ['restore', 'dev', '--from', store];
    const outcomes: string[] = [];

    for (const phase of teleportPhases) {
      await t.test(`Ctrl-C in ${phase} of a teleport`, async () => {
        const { status } = await cutAt(world, teleport, phase, interrupt);
        const state = await assertOneVm(world);
        assert.ok(status === 0 ? state === 'departed' : status === 130, `status ${status}, ${state}`);
        outcomes.push(`${phase}: ${state}`);
      });
    }

    await t.test('early interrupts kept it here', () => {
      assert.ok(
        outcomes.some((outcome) => outcome.endsWith('running')),
        outcomes.join('; '),
      );
    });

    for (const phase of teleportPhases) {
      await t.test(`kill -9 of the daemon in ${phase} of a teleport`, async () => {
        const pid = await host.daemonPid();
        await cutAt(world, teleport, phase, () => process.kill(pid, 'SIGKILL'));
        await assertOneVm(world);
      });
    }

    await t.test('kill -9 of QEMU in the middle of a teleport', async () => {
      const pid = await host.qemuPid('dev');
      const { status } = await cutAt(world, teleport, 'publish memory', () => process.kill(pid, 'SIGKILL'));
      const state = await settledState(host);
      if (status === 0) assert.equal(state, 'departed', 'all of it was captured before');
      else assert.equal(state, 'crashed');
      await host.must(state === 'departed' ? restore : ['restore', 'dev']);
      world.seen = await assertGoesOn(host, world.seen);
    });

    for (const phase of restorePhases) {
      await t.test(`Ctrl-C in ${phase} of a restore`, async () => {
        await host.must(teleport);
        const { status } = await cutAt(world, restore, phase, interrupt);
        const state = await assertOneVm(world);
        assert.ok(status === 0 ? state === 'running' : status === 130, `status ${status}, ${state}`);
      });
    }

    for (const phase of restorePhases) {
      await t.test(`kill -9 of the daemon in ${phase} of a restore`, async () => {
        await host.must(teleport);
        const pid = await host.daemonPid();
        await cutAt(world, restore, phase, () => process.kill(pid, 'SIGKILL'));
        await assertOneVm(world);
      });
    }

    await t.test('the client is killed: the daemon finds the way back', async () => {
      const command = host.start(teleport, { input: '' });
      await command.untilStderr(phaseLine('capture'));
      command.signal('SIGKILL');
      await assert.rejects(command.result, /SIGKILL/);
      await assertOneVm(world);
    });
  });
});
