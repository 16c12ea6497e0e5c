/** The rights that a host holds, and what it does about those of which a store says nothing. Time is moved by hand. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { RecordShelf } from '../../test/support/record-shelf.ts';
import { SettleWorld, hostId, packageId, storeUrl } from '../../test/support/settle-world.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { KelpieError } from '../base/errors.ts';
import { isThere } from '../env/is-there.ts';
import { Leases } from './leases.ts';
import type { OwnershipState } from '../store/ownership-records.ts';
import type { Store } from '../store/open-store.ts';
import type { HeldRight } from './vm-record.ts';

const EPOCH = 3;
const LEASE_MS = 30_000;
const SECOND_MS = 1000;
const right: HeldRight = { storeUrl, epoch: EPOCH, leaseMs: null, leasePause: 'none' };
const leased: HeldRight = { ...right, leaseMs: LEASE_MS };
const ours = { state: 'running', owner: hostId, packageId, lease: { durationMs: LEASE_MS } } as const;
const theirs: OwnershipState = { ...ours, owner: 'host-b' };

class LeasesWorld {
  readonly world: SettleWorld;
  readonly clock: ManualClock = new ManualClock();
  readonly leases: Leases;
  readonly lost: number[] = [];
  readonly events: unknown[] = [];
  asked = 0;
  /** What the store says; null: it does not answer, `hangs`: and nobody is told. */
  says: { readonly state: OwnershipState; readonly epoch: number } | null | 'hangs' | 'forgot' = null;

  /** @param store opened already: whoever moves time cannot wait for files. */
  constructor(world: SettleWorld, store: Store) {
    this.world = world;
    const { host } = world;
    const openStore: typeof host.openStore = async (url) => {
      this.asked += 1;
      if (this.says === 'hangs') return await new Promise<never>(() => undefined);
      if (this.says === null) throw new KelpieError('store_unavailable', `${url} does not answer.`);
      if (this.says === 'forgot') return { ...store, ownership: new RecordShelf() };
      const { state, epoch } = this.says;
      const ownership = new RecordShelf([world.recordOf(state, epoch)]);
      return { ...store, ownership };
    };
    const { places, identity } = host;
    const log: typeof host.log = {
      info: () => undefined,
      error: ({ event }) => void this.events.push(event),
    };
    const env = { ...host.env, clock: this.clock };
    this.leases = new Leases(
      { env, places, identity, log, openStore },
      {
        whileIdle: async (_vm, act) => {
          await act();
          return true;
        },
        onLost: (_vm, { epoch }) => void this.lost.push(epoch),
      },
    );
  }

  get vmId(): string {
    return this.world.vm.id;
  }

  async pass(durationMs: number): Promise<void> {
    await this.clock.advance(durationMs);
  }
}

async function withLeases(held: HeldRight | null, use: (world: LeasesWorld) => Promise<void>): Promise<void> {
  await SettleWorld.with(async (world) => {
    await world.vm.update({ ownership: held });
    const leases = new LeasesWorld(world, await world.host.openStore(storeUrl));
    try {
      await use(leases);
    } finally {
      leases.leases.end();
    }
  });
}

test('a VM that never was in a store needs no right, and one that has left has none to hold', async () => {
  await withLeases(null, async ({ leases, world, clock, ...rest }) => {
    await leases.secure(world.vm);
    leases.watch(world.vm);
    const departed = { storeUrl, packageId, epoch: 4, reclaimedBy: null };
    await world.vm.update({ ownership: leased, departed });
    leases.watch(world.vm);
    assert.deepEqual([rest.asked, clock.sleeping, leases.view(world.vm.id)], [0, 0, null]);
  });
});

test('a right without a lease is there when the record says so, and else gone for good', async () => {
  for (const [state, epoch, isStill] of [
    [ours, EPOCH, true],
    [{ ...ours, state: 'departing' }, EPOCH, true],
    [ours, EPOCH + 1, false],
    [theirs, EPOCH, false],
    [{ state: 'at-rest', packageId, reclaimedFrom: 'a' }, EPOCH + 1, false],
  ] as const) {
    await withLeases(right, async (leasesWorld) => {
      leasesWorld.says = { state, epoch };
      const secured = leasesWorld.leases.secure(leasesWorld.world.vm);
      if (isStill) await secured;
      else await refusedAs(secured, 'vm_owned_elsewhere');
      assert.deepEqual(leasesWorld.lost, isStill ? [] : [epoch]);
      assert.equal(leasesWorld.clock.sleeping, 0, 'nobody waits any more');
    });
  }
});

test('a store that does not answer lets the VM go on, and is asked again, less and less often, until it does', async () => {
  await withLeases(right, async (leasesWorld) => {
    const { leases, world, clock } = leasesWorld;
    await leases.secure(world.vm);
    await leases.secure(world.vm);
    await leasesWorld.pass(0);
    const begun = leasesWorld.asked;
    assert.ok(leasesWorld.events.includes('right-not-known'));
    const waits: number[] = [];
    for (let count = 0; count < 8; count += 1) {
      const before = leasesWorld.asked;
      let waitedMs = 0;
      while (leasesWorld.asked === before && waitedMs < 400 * SECOND_MS) {
        await leasesWorld.pass(5 * SECOND_MS);
        waitedMs += 5 * SECOND_MS;
      }
      waits.push(waitedMs / SECOND_MS);
    }
    assert.ok(begun <= 3, 'one looks, however many wanted to know');
    assert.deepEqual(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    leasesWorld.says = { state: theirs, epoch: EPOCH };
    await leasesWorld.pass(300 * SECOND_MS);
    assert.deepEqual(leasesWorld.lost, [EPOCH]);
    assert.equal(clock.sleeping, 0);
  });
});

test('a right of which the store says in the end that it is there is not asked about any more', async () => {
  await withLeases(right, async (leasesWorld) => {
    const { leases, world, clock } = leasesWorld;
    leases.watch(world.vm);
    await leasesWorld.pass(0);
    leasesWorld.says = { state: ours, epoch: EPOCH };
    await leasesWorld.pass(5 * SECOND_MS);
    assert.deepEqual([leasesWorld.lost, clock.sleeping], [[], 0]);
    // Then it can be looked for anew.
    leasesWorld.says = { state: theirs, epoch: EPOCH };
    leases.watch(world.vm);
    await leasesWorld.pass(0);
    assert.deepEqual(leasesWorld.lost, [EPOCH]);
  });
});

test('a store that forgot the VM says nothing about its right', async () => {
  await withLeases(right, async (leasesWorld) => {
    leasesWorld.says = 'forgot';
    await leasesWorld.leases.secure(leasesWorld.world.vm);
    assert.deepEqual(leasesWorld.lost, []);
    assert.ok(leasesWorld.events.includes('right-not-known'));
    await leasesWorld.pass(0);
    assert.equal(leasesWorld.clock.sleeping, 1, 'it is asked again');
  });
});

test('people wait five seconds for a store that hangs', async () => {
  await withLeases(right, async (leasesWorld) => {
    leasesWorld.says = 'hangs';
    let isOver = false;
    const secured = leasesWorld.leases.secure(leasesWorld.world.vm).then(() => (isOver = true));
    await leasesWorld.pass(4.9 * SECOND_MS);
    assert.equal(isOver, false);
    await leasesWorld.pass(0.1 * SECOND_MS);
    await secured;
  });
});

test('nobody asks any more about a right that was let go of, or taken anew', async () => {
  for (const how of ['release', 'drop', 'end', 'anew'] as const) {
    await withLeases(right, async (leasesWorld) => {
      const { leases, world, vmId } = leasesWorld;
      leases.watch(world.vm);
      await leasesWorld.pass(0);
      if (how === 'release') await leases.release(vmId);
      else if (how === 'drop') await leases.drop(vmId);
      else if (how === 'end') leases.end();
      else await world.vm.update({ ownership: { ...right, epoch: EPOCH + 2 } });
      await leasesWorld.pass(0);
      assert.equal(leasesWorld.clock.sleeping, how === 'anew' ? 1 : 0, how);
      leasesWorld.says = { state: theirs, epoch: EPOCH };
      await leasesWorld.pass(300 * SECOND_MS);
      assert.deepEqual(leasesWorld.lost, [], how);
    });
  }
});

test('a lease that is renewed is held, and renewed from then on', async () => {
  await withLeases(leased, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    leasesWorld.says = { state: ours, epoch: EPOCH };
    await leases.secure(world.vm);
    assert.equal(leases.view(vmId)?.trouble, null);
    assert.ok((leases.view(vmId)?.leftMs ?? 0) > 0);
    await leasesWorld.pass(0);
    assert.ok(leasesWorld.clock.sleeping > 0);
    const { asked } = leasesWorld;
    // One that is held is not begun again.
    leases.watch(world.vm);
    assert.equal(leasesWorld.asked, asked);
  });
});

test('a lease of which nobody knows is refused, and tried again', async () => {
  await withLeases(leased, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    await refusedAs(leases.secure(world.vm), 'store_unavailable');
    assert.match(leases.view(vmId)?.trouble ?? '', /does not answer/);
    await leasesWorld.pass(0);
    assert.ok(leasesWorld.clock.sleeping > 0);
    assert.deepEqual(leasesWorld.lost, []);
  });
});

test('a lease that is another’s is lost, and not renewed any more', async () => {
  await withLeases(leased, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    leasesWorld.says = { state: theirs, epoch: EPOCH };
    await refusedAs(leases.secure(world.vm), 'vm_owned_elsewhere');
    assert.deepEqual([leasesWorld.lost, leases.view(vmId)], [[EPOCH], null]);
    await leasesWorld.pass(0);
    assert.equal(leasesWorld.clock.sleeping, 0);
  });
});

test('a lease that was held and is another’s now is not renewed any more', async () => {
  await withLeases(leased, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    leasesWorld.says = { state: ours, epoch: EPOCH };
    await leases.secure(world.vm);
    leasesWorld.says = { state: theirs, epoch: EPOCH };
    await refusedAs(leases.secure(world.vm), 'vm_owned_elsewhere');
    await leasesWorld.pass(0);
    assert.deepEqual([leases.view(vmId), leasesWorld.clock.sleeping], [null, 0]);
  });
});

test('a daemon that ends renews nothing any more', async () => {
  await withLeases(leased, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    leasesWorld.says = { state: ours, epoch: EPOCH };
    await leases.secure(world.vm);
    leases.end();
    await leasesWorld.pass(0);
    assert.deepEqual([leases.view(vmId), leasesWorld.clock.sleeping], [null, 0]);
  });
});

test('a right that was let go of can be asked about again', async () => {
  await withLeases(right, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    leases.watch(world.vm);
    await leasesWorld.pass(0);
    await leases.release(vmId);
    const { asked } = leasesWorld;
    leases.watch(world.vm);
    await leasesWorld.pass(0);
    assert.ok(leasesWorld.asked > asked);
  });
});

test('what this host paused itself is asked about only under a lease', async () => {
  await withLeases(right, async ({ leases, world }) => {
    await leases.renew(world.vm);
  });
  await withLeases(leased, async ({ leases, world }) => {
    await refusedAs(leases.renew(world.vm), 'store_unavailable');
  });
});

test('the fuse of a lease that is released guards on, and that of one that is dropped does not', async () => {
  await withLeases(leased, async (leasesWorld) => {
    const { leases, world, vmId } = leasesWorld;
    leasesWorld.says = { state: ours, epoch: EPOCH };
    const { env, places } = world.host;
    const isGuarded = (): Promise<boolean> => isThere(env.files, places.leaseFuse(vmId));
    await leases.secure(world.vm);
    await leases.release(vmId);
    assert.deepEqual([await isGuarded(), leases.view(vmId)], [true, null]);
    await leases.drop(vmId);
    assert.equal(await isGuarded(), false);
  });
});
