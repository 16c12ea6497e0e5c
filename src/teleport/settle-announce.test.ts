/** A first teleport that is cut when its package is there and its store has not been told of the VM. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { test } from 'node:test';
import { FakeHosts } from '../../test/support/fake-hosts.ts';
import { teleportOut } from '../../test/support/fake-moves.ts';
import { defined } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { newOperation } from './new-operation.ts';
import type { Supervisor } from '../daemon/supervisor.ts';

const ended = new KelpieError('canceled', 'the daemon ends.');

/** @param meanwhile what happens while the daemon starts again. */
async function afterCut(
  meanwhile: (hosts: FakeHosts, start: () => Promise<Supervisor>) => Promise<Supervisor>,
  check: (hosts: FakeHosts, after: Supervisor, vmId: string) => Promise<void>,
): Promise<void> {
  const hosts = await FakeHosts.create();
  try {
    const before = await hosts.start('a');
    const vm = await hosts.bringUp(before);
    await before.host.journal.begin({
      ...newOperation(before.host, vm),
      kind: 'teleport',
      step: 'departing',
      storeUrl: hosts.storeUrl,
      snapshotId: hosts.env.random.uuid(),
      wasRunning: true,
      commitEpoch: 1,
      packageId: 'ab'.repeat(32),
    });
    await vm.release();
    await before.end(ended);
    const after = await meanwhile(hosts, async () => await hosts.start('a'));
    try {
      await check(hosts, after, vm.id);
    } finally {
      await after.end(ended);
    }
  } finally {
    await hosts.close();
  }
}

async function recordIn({ storeUrl }: FakeHosts, { host }: Supervisor, vmId: string): Promise<string | null> {
  const { ownership } = await host.openStore(storeUrl);
  return (await ownership.read(vmId))?.state ?? null;
}

/** It can leave, to the same store. */
async function leaves(hosts: FakeHosts, after: Supervisor, vmId: string): Promise<void> {
  await teleportOut(after, defined(after.registry.byId(vmId), 'the VM'), hosts.storeUrl);
  assert.equal(await recordIn(hosts, after, vmId), 'at-rest');
}

test('the store is told that the VM runs here, and the VM can leave', async () => {
  await afterCut(
    async (_hosts, start) => await start(),
    async (hosts, after, vmId) => {
      assert.equal(await recordIn(hosts, after, vmId), 'running');
      await leaves(hosts, after, vmId);
    },
  );
});

test('when the store does not answer at that time, the VM can leave later', async () => {
  await afterCut(
    async (hosts, start) => {
      const away = `${hosts.storeUrl}-away`;
      await rename(hosts.storeUrl, away);
      const after = await start();
      await rename(away, hosts.storeUrl);
      return after;
    },
    async (hosts, after, vmId) => {
      assert.equal(await recordIn(hosts, after, vmId), null);
      await leaves(hosts, after, vmId);
    },
  );
});
