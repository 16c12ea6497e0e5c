/** A VM leaves for one host of a store: what that host told decides, before anything is touched, and a checkpoint goes in its place where that is allowed. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { KelpieError } from '../src/base/errors.ts';
import { teleportOut } from '../src/daemon/teleport-out.ts';
import { openStore } from '../src/store/open-store.ts';
import { CheckpointWorld } from './support/checkpoint-world.ts';
import { rejectsWith } from './support/daemon-calls.ts';
import { eventually } from './support/eventually.ts';
import { quiet } from './support/fake-hosts.ts';
import type { Teleport, Teleported } from '../src/daemon/api/teleports.ts';
import type { Supervisor } from '../src/daemon/supervisor.ts';
import type { Store } from '../src/store/open-store.ts';
import type { ManagedVm } from '../src/teleport/managed-vm.ts';

const ending = new KelpieError('canceled', 'the daemon ends.');

suite('teleport for a host', { timeout: 240_000 }, () => {
  let world: CheckpointWorld;
  let laptop: Supervisor;
  let vm: ManagedVm;
  let storeUrl: string;

  before(async () => {
    world = await CheckpointWorld.create();
    laptop = await world.start('laptop');
    vm = await world.hosts.bringUp(laptop);
    ({ storeUrl } = world.hosts);
    await mkdir(world.workspace);
    await writeFile(join(world.workspace, 'note'), 'remembered');
  });
  after(async () => world[Symbol.asyncDispose]());

  const open = (): Promise<Store> =>
    openStore(world.hosts.env, storeUrl, { home: '/nonexistent', hostArchitecture: 'x86_64', hostName: 'x' });
  const toldAt = async (hostId: string): Promise<number | undefined> =>
    (await (await open()).hosts.read(hostId))?.toldAtUnixMs;
  const leave = (asked: Partial<Teleport>): Promise<Teleported> =>
    laptop.operate(vm.id, 'teleport "dev"', () =>
      teleportOut(
        laptop,
        vm,
        { storeUrl, message: '', includeImage: false, allowCheckpoint: false, ...asked },
        quiet,
      ),
    );
  const untouched = async (): Promise<void> => {
    const { storage, ownership } = await open();
    assert.deepEqual(await storage.list(), []);
    assert.deepEqual(await ownership.list(), []);
    assert.equal(vm.record.state, 'running');
    assert.deepEqual(await laptop.host.snapshots.list(vm.id), []);
  };

  test('of which nothing is known: it says what to do there, and touches nothing', async () => {
    await rejectsWith('host_not_found', leave({ forHost: 'cloud' }));
    await untouched();
  });

  test('a host tells what it can run, again when that changes, and mends what was damaged', async () => {
    const cloud = await world.hosts.start('cloud');
    await cloud.told.tellAnew(storeUrl);
    const first = await toldAt('host-cloud');
    assert.ok(first !== undefined);
    await cloud.told.tell(storeUrl);
    assert.equal(await toldAt('host-cloud'), first, 'nothing changed, nothing is written');
    await world.hosts.installImage('cloud', '7.0.0');
    cloud.factsChanged();
    const images = async (): Promise<number | undefined> =>
      (await (await open()).hosts.read('host-cloud'))?.facts.images.length;
    await eventually(async () => (await images()) === 1, 'the store knows the image');
    await cloud.end(ending);

    const path = join(storeUrl, 'hosts/host-cloud');
    await writeFile(path, (await readFile(path)).subarray(0, 50));
    await rejectsWith('package_corrupt', leave({ forHost: 'host-cloud' }));
    const again = await world.hosts.start('cloud');
    await again.told.tell(storeUrl);
    assert.equal(await images(), 1);
    await again.end(ending);
    await untouched();
  });

  test('that cannot: every reason at once with what would work, and nothing is touched', async () => {
    const phone = await world.hosts.start('phone', { probe: { guests: [] } });
    await phone.told.tellAnew(storeUrl);
    await assert.rejects(leave({ forHost: 'phone' }), (error) => {
      assert.ok(error instanceof Error && 'data' in error);
      const { codes } = error.data as { readonly codes: readonly string[] };
      assert.deepEqual(codes, ['backend', 'image']);
      assert.match(
        error.message,
        /^cannot teleport "dev" to phone: it was run by sim, which phone does not have\. Install .* Also, its image base 1\.0\.0 is not on phone.* A checkpoint \(--allow-checkpoint\) would need more there too: /,
      );
      return true;
    });
    await untouched();
    await phone.end(ending);
  });

  test('that cannot, and a checkpoint is allowed: it is published, the VM goes on, and nobody’s right changes', async () => {
    const application = { name: 'agent', workspace: [world.workspace], save: null, reload: null, user: null };
    const asked = { forHost: 'phone', allowCheckpoint: true };
    await rejectsWith('checkpoint_invalid', leave(asked));
    await untouched();
    const done = await leave({ ...asked, application, message: 'for the phone' });
    assert.ok(done.kind === 'checkpoint');
    assert.equal(done.forHost.name, 'phone');
    assert.equal(done.reasons.length, 2);
    assert.match(done.lacks.join(), /nothing that runs VMs was found on phone/);
    const { storage, ownership } = await open();
    const listings = await storage.list();
    assert.deepEqual(
      listings.map((listing) => !listing.damaged && [listing.package.id, listing.package.metadata.kind]),
      [[done.packageId, 'checkpoint']],
    );
    assert.deepEqual(await ownership.list(), []);
    assert.equal(vm.record.state, 'running');
    await eventually(
      async () => (await toldAt('host-laptop')) !== undefined,
      'the laptop has told of itself',
    );
  });

  test('that can: it leaves as ever', async () => {
    const wide = await world.hosts.start('wide');
    await world.hosts.installImage('wide');
    await wide.told.tellAnew(storeUrl);
    const done = await leave({ forHost: 'wide', allowCheckpoint: true });
    assert.ok(done.kind === 'memory');
    assert.deepEqual(done.forHost, { id: 'host-wide', name: 'wide' });
    assert.equal(vm.record.departed?.packageId, done.packageId);
    await rejectsWith('vm_departed', leave({ forHost: 'wide' }));
    await wide.end(ending);
  });
});
