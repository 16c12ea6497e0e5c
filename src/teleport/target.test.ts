/** A restore from a store, and what comes between its words to it. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { quiet } from '../../test/support/fake-hosts.ts';
import { RecordShelf } from '../../test/support/record-shelf.ts';
import { SettleWorld, hostId, storeUrl } from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { KelpieError } from '../base/errors.ts';
import { TeleportOut } from './source.ts';
import { TeleportIn } from './target.ts';
import { standingOf } from './vm-record.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { ClaimGuard, ClaimResult } from './target.ts';
import type { VmRegistry } from './vm-registry.ts';

const LEASE_MS = 30_000;
const theirs: OwnershipState = { state: 'running', owner: 'host-b', packageId: null, lease: null };

/** A VM that has left this host: its record says that it rests, at epoch 1 and revision 2. */
async function withLeft(use: (world: SettleWorld, shelf: RecordShelf) => Promise<void>): Promise<void> {
  await SettleWorld.with(async (world) => {
    const shelf = new RecordShelf();
    world.here = shelf;
    const request = { storeUrl, message: '', includeImage: false };
    await new TeleportOut(world.host, world.vm, request, quiet).run();
    await use(world, shelf);
  });
}

async function claimed(
  world: SettleWorld,
  leaseMs: number | null = null,
  admit: ClaimGuard['admit'] = async () => undefined,
  registry: VmRegistry = world.registry,
): Promise<ClaimResult> {
  const request = { storeUrl, vm: 'dev', packageId: null, name: null, publish: null, leaseMs };
  const guard: ClaimGuard = { whileLocked: async (_vmId, act) => await act(), admit };
  return await new TeleportIn(world.host, registry, request, guard, quiet).run();
}

/** As before the restore; the record is at rest again, at this epoch. */
async function checkLeft(world: SettleWorld, shelf: RecordShelf, epoch: number): Promise<void> {
  assert.ok(world.vm.record.departed !== null);
  assert.deepEqual([world.machines, await world.entries(), world.held], [[], [], []]);
  const record = await shelf.read(world.vm.id);
  assert.deepEqual([record?.state, record?.epoch], ['at-rest', epoch]);
}

test('it fetches, then says that it runs here, then runs, and each is in the journal before', async () => {
  await withLeft(async (world, shelf) => {
    const seen: unknown[] = [];
    const look = async (what: string): Promise<void> => {
      const [entry] = await world.entries();
      const record = await shelf.read(world.vm.id);
      seen.push([what, entry?.kind === 'claim' ? entry.step : null, record?.state, record?.epoch]);
      assert.ok(
        (await world.reload()).require('dev').record.departed !== null,
        'the tombstone is lifted last',
      );
    };
    shelf.onSwap = () => look('swap');
    world.onAct = look;
    const packageId = world.vm.record.departed?.packageId;
    const { vm } = await claimed(world);
    assert.deepEqual(seen, [
      ['swap', 'claiming', 'at-rest', 1],
      ['restore', 'claimed', 'running', 2],
      ['repair', 'claimed', 'running', 2],
    ]);
    const record = await shelf.read(vm.id);
    assert.ok(record?.state === 'running');
    assert.deepEqual([record.owner, record.packageId, record.lease], [hostId, packageId, null]);
    const right = { storeUrl, epoch: 2, leaseMs: null, leasePause: 'none' };
    assert.deepEqual([vm.record.departed, vm.record.ownership], [null, right]);
    assert.deepEqual([vm.record.snapshotId, await world.entries()], [(await world.snapshots())[0], []]);
    assert.equal(world.machines[0]?.state, 'running');
  });
});

test('under a lease it is renewed before it runs, and from then on', async () => {
  await withLeft(async (world, shelf) => {
    let left: number | undefined;
    world.onAct = async (act) => {
      if (act === 'restore') left = world.host.leases.view(world.vm.id)?.leftMs;
    };
    const { vm } = await claimed(world, LEASE_MS);
    assert.ok((left ?? 0) > 0);
    assert.equal(vm.record.ownership?.leaseMs, LEASE_MS);
    const record = await shelf.read(vm.id);
    assert.ok(record?.state === 'running');
    assert.deepEqual(record.lease, { durationMs: LEASE_MS });
    assert.ok(record.revision > 4, 'claimed, renewed before it is loaded and before it runs');
  });
});

test('whom the daemon does not admit is refused before anything is done', async () => {
  await withLeft(async (world, shelf) => {
    const { record } = world.vm;
    const refused = claimed(world, null, () =>
      Promise.reject(new KelpieError('name_taken', 'there is one of this name.')),
    );
    await refusedAs(refused, 'name_taken');
    assert.deepEqual(world.vm.record, record);
    await checkLeft(world, shelf, 1);
  });
});

test('a VM that is here and did not leave is not overwritten', async () => {
  await withLeft(async (world, shelf) => {
    await world.vm.update({ departed: null });
    await refusedAs(claimed(world), 'vm_owned_elsewhere');
    assert.equal((await shelf.read(world.vm.id))?.revision, 2);
    assert.deepEqual(await world.entries(), []);
  });
});

test('a VM whose record here is damaged may run here; what is damaged of others is in nobody’s way', async () => {
  for (const isOwn of [true, false]) {
    await withLeft(async (world, shelf) => {
      const { places, env } = world.host;
      const id = isOwn ? world.vm.id : env.random.uuid();
      await mkdir(places.vmDirectory(id), { recursive: true });
      await writeFile(places.vmRecord(id), '{');
      const claim = claimed(world, null, undefined, await world.reload());
      if (isOwn) await refusedAs(claim, 'io_failed');
      else await claim;
      assert.equal((await shelf.read(world.vm.id))?.state, isOwn ? 'at-rest' : 'running');
    });
  }
});

test('a VM whose image is nowhere is not claimed', async () => {
  await withLeft(async (world, shelf) => {
    await rm(world.host.places.imageDirectory, { recursive: true });
    await mkdir(world.host.places.imageDirectory);
    let isAsked = false;
    shelf.onSwap = async () => {
      isAsked = true;
    };
    await refusedAs(claimed(world), 'image_not_found');
    assert.equal(isAsked, false);
    await checkLeft(world, shelf, 1);
  });
});

test('of two that claim it one is told who has it, and its host is as before', async () => {
  await withLeft(async (world, shelf) => {
    const before = standingOf(world.vm.record);
    shelf.onSwap = async () => {
      shelf.onSwap = async () => undefined;
      await shelf.compareAndSwap(2, { ...world.recordOf(theirs, 2), revision: 3 });
    };
    await refusedAs(claimed(world), 'vm_owned_elsewhere');
    assert.deepEqual(standingOf(world.vm.record), before);
    assert.deepEqual([world.machines, await world.entries()], [[], []]);
    assert.equal((await shelf.read(world.vm.id))?.revision, 3);
  });
});

test('a VM that does not load rests again, an epoch later', async () => {
  await withLeft(async (world, shelf) => {
    world.onAct = async (act) => {
      if (act === 'restore') throw new KelpieError('vm_crashed', 'it does not load.');
    };
    await refusedAs(claimed(world), 'vm_crashed');
    await checkLeft(world, shelf, 3);
  });
});

test('a VM that is reclaimed while it loads does not run', async () => {
  const changes: readonly (readonly [OwnershipState, number])[] = [
    [{ ...theirs, owner: hostId }, 3],
    [theirs, 2],
    [{ state: 'at-rest', packageId: 'ef'.repeat(32), reclaimedFrom: 'a' }, 2],
  ];
  for (const [state, epoch] of changes) {
    await withLeft(async (world, shelf) => {
      world.onAct = async (act) => {
        if (act === 'restore')
          await shelf.compareAndSwap(3, { ...world.recordOf(state, epoch), revision: 4 });
        assert.notEqual(act, 'repair');
      };
      await refusedAs(claimed(world), 'vm_owned_elsewhere');
      assert.deepEqual([world.machines, await world.entries()], [[], []]);
      assert.equal((await shelf.read(world.vm.id))?.revision, 4);
    });
  }
});

test('one that cannot be put to rest now is held', async () => {
  await withLeft(async (world) => {
    world.onAct = async () => {
      world.here = null;
      throw new KelpieError('vm_crashed', 'it does not load.');
    };
    await refusedAs(claimed(world), 'vm_crashed');
    assert.equal(world.held.length, 1);
    assert.deepEqual(await world.entries(), world.held);
    assert.deepEqual(world.machines, []);
  });
});
