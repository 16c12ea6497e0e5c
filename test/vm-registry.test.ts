import assert from 'node:assert/strict';
import test from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { SystemError } from '../src/env/system-error.ts';
import { stopVm } from '../src/teleport/lifecycle.ts';
import { FakeHosts } from './support/fake-hosts.ts';
import type { Env } from '../src/env/env.ts';

test('a removal that fails anywhere can be tried again: the VM is known and can be written down, or is gone', async () => {
  const hosts = await FakeHosts.create();
  let failing: (path: string) => boolean = () => false;
  const around = async (act: string, path: string, run: () => Promise<void>): Promise<void> => {
    if (failing(path)) throw new SystemError('EIO', act, path);
    await run();
  };
  const { files } = hosts.env;
  const env: Env = {
    ...hosts.env,
    files: {
      ...files,
      removeTree: async (path) => await around('removeTree', path, async () => await files.removeTree(path)),
      syncDirectory: async (path) =>
        await around('syncDirectory', path, async () => await files.syncDirectory(path)),
    },
  };
  const supervisor = await hosts.start('a', {}, env);
  const { host, registry } = supervisor;
  try {
    const vm = await hosts.bringUp(supervisor);
    await stopVm(host, registry, vm, true);
    const { places } = host;
    for (const path of [places.runDirectory(vm.id), places.vmDirectory(vm.id), places.vmsDirectory]) {
      failing = (met) => met === path;
      await assert.rejects(registry.remove(vm.id), /EIO/);
      failing = () => false;
      await registry.byId(vm.id)?.save();
    }
    assert.equal(registry.byId(vm.id), undefined);
    await registry.remove(vm.id);
    assert.deepEqual(await files.list(places.vmsDirectory), []);
    assert.deepEqual(await files.list(places.runsDirectory), []);
  } finally {
    await supervisor.end(new KelpieError('canceled', 'the daemon ends.'));
    await hosts.close();
  }
});
