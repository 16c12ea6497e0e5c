/** What a full disk of a host does to its VMs, beside what it does to commands: QEMU stops them, and their records cannot be written. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { eventually } from './support/eventually.ts';
import { FakeHosts } from './support/fake-hosts.ts';
import { faultyEnv } from './support/faulty-env.ts';

const ended = new KelpieError('canceled', 'the daemon ends.');

for (const [what, isPausedByPerson, stateAfter] of [
  ['one that was left running goes on with the next daemon', false, 'running'],
  ['one that its person had paused stays paused', true, 'paused'],
] as const) {
  test(what, async () => {
    const hosts = await FakeHosts.create();
    try {
      const before = await hosts.start('a');
      const vm = await hosts.bringUp(before);
      if (isPausedByPerson) await vm.requireLive('pause').pause();
      await vm.idle();
      await before.end(ended);
      const [machine] = hosts.machines.ofVm(vm.id);
      assert.ok(machine !== undefined);
      machine.state = 'paused';
      const a = await hosts.start('a');
      await eventually(
        () => a.busy(vm.id) === null && a.registry.byId(vm.id)?.record.state === stateAfter,
        stateAfter,
      );
      assert.equal(machine.state, stateAfter);
      await a.end(ended);
    } finally {
      await hosts.close();
    }
  });
}

test('what a VM told while its record could not be written is written as soon as it can be', async () => {
  const hosts = await FakeHosts.create();
  try {
    const rule = { act: 'file.write', subject: /vm\.json/, count: 2, fault: { errno: 'ENOSPC' } };
    const rules: (typeof rule)[] = [];
    const { env, injected } = faultyEnv(hosts.env, { rules });
    const a = await hosts.start('a', {}, env);
    const vm = await hosts.bringUp(a);
    await vm.idle();
    rules.push(rule);
    await vm.requireLive('pause').pause();
    const path = a.host.places.vmRecord(vm.id);
    await eventually(async () => /"paused"/.test(await readFile(path, 'utf8')), 'it is written');
    assert.equal(injected.length, 2);
    await a.end(ended);
  } finally {
    await hosts.close();
  }
});
