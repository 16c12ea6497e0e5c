/** Operations that were cut, on a VM whose record the disk does not give, or gives damaged. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { FakeHosts } from '../../test/support/fake-hosts.ts';
import { KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import { SystemError } from '../env/system-error.ts';
import { newOperation } from './new-operation.ts';

/** A host whose daemon died over an operation on a VM that runs; `damage` is done to the VM's record before the next one starts. */
async function afterCrash(
  kind: 'create' | 'remove',
  damage: (hosts: FakeHosts, record: string) => Promise<Env>,
): Promise<void> {
  const hosts = await FakeHosts.create();
  try {
    const before = await hosts.start('a');
    const vm = await hosts.bringUp(before);
    await before.host.journal.begin({ ...newOperation(before.host, vm), kind });
    await vm.release();
    await before.end(new KelpieError('canceled', 'the daemon ends.'));
    assert.equal(hosts.machines.all.length, 1);
    const env = await damage(hosts, before.host.places.vmRecord(vm.id));
    const after = await hosts.start('a', {}, env);
    try {
      assert.deepEqual(hosts.machines.all, [], 'nothing of it runs');
      assert.equal(after.registry.byId(vm.id), undefined);
      assert.deepEqual((await after.host.journal.readAll()).entries, []);
      assert.deepEqual(await hosts.env.files.list(after.host.places.vmsDirectory), []);
    } finally {
      await after.end(new KelpieError('canceled', 'the daemon ends.'));
    }
  } finally {
    await hosts.close();
  }
}

for (const kind of ['create', 'remove'] as const) {
  test(`${kind}: a record that one read did not give is read again, and its VM is ended`, async () => {
    await afterCrash(kind, async ({ env }, record) => {
      let reads = 0;
      const readFile: Env['files']['readFile'] = async (path, sizeBytesMax) => {
        if (path === record) reads += 1;
        if (path === record && reads === 1) throw new SystemError('EIO', 'read', path);
        return await env.files.readFile(path, sizeBytesMax);
      };
      return { ...env, files: { ...env.files, readFile } };
    });
  });

  test(`${kind}: what runs of a VM whose record is damaged is ended all the same`, async () => {
    await afterCrash(kind, async ({ env }, record) => {
      await writeFile(record, '{');
      return env;
    });
  });
}
