/** A VM that its VMM has stopped while no daemon ran, as QEMU does when the host's disk is full. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { eventually } from './support/eventually.ts';
import { FakeHosts } from './support/fake-hosts.ts';

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
