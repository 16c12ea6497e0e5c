import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isKelpieError } from '../base/errors.ts';
import { LEASE_MS, LeaseWorld } from '../../test/support/lease-world.ts';
import { CLOCK_RATE_ERROR_MAX, leaseTimes } from './lease-times.ts';
import type { Connection } from '../../test/support/lease-world.ts';

const { pauseMs, fuseMs, observeMs } = leaseTimes(LEASE_MS);

async function withWorld(use: (world: LeaseWorld) => Promise<void>): Promise<void> {
  const world = new LeaseWorld();
  try {
    await world.begin();
    await use(world);
  } finally {
    world.close();
  }
}

test('the pause comes before the fuse, the fuse before the end, and the end before anybody else, at the worst of clocks', () => {
  for (const durationMs of [20_000, 60_000, 3_600_000, 86_400_000]) {
    const times = leaseTimes(durationMs);
    assert.ok(times.renewMs < times.pauseMs / 1.5, 'a renewal may fail once');
    assert.ok(times.pauseMs + 3000 < times.fuseMs);
    // The holder's clock is slow, so that it acts late; the other's is fast, so that it waits too short.
    assert.ok(times.fuseMs / (1 - CLOCK_RATE_ERROR_MAX) < times.observeMs / (1 + CLOCK_RATE_ERROR_MAX));
  }
});

test('a lease that is renewed lets the VM run, and counts revisions', async () => {
  await withWorld(async (world) => {
    await world.pass(5 * LEASE_MS, () => assert.ok(world.isExecuting));
    assert.ok(((await world.record())?.revision ?? 0) > 10);
    world.startReclaim();
    await world.pass(2 * LEASE_MS, () => assert.ok(world.isExecuting));
    assert.ok(isKelpieError(world.refused, 'vm_owned_elsewhere'));
    assert.match(String(world.refused), /a lives and renews/);
  });
});

for (const connection of ['down', 'hangs', 'answers-lost'] as const) {
  test(`a store that does not answer (${connection}) pauses the VM in time, and it goes on when it does`, async () => {
    await withWorld(async (world) => {
      world.connection = connection;
      await world.pass(pauseMs + 1000);
      assert.equal(world.vm.state, 'paused');
      assert.equal(world.vm.ownership?.leasePause, 'paused');
      assert.match(world.vm.reason ?? '', /lease could not be renewed/);
      await world.pass(4 * LEASE_MS, () => assert.ok(!world.isExecuting));
      world.connection = 'up';
      if (connection === 'hangs') return;
      await world.pass(10_000);
      assert.ok(world.isExecuting);
      assert.equal(world.vm.ownership?.leasePause, 'none');
      assert.equal(world.vm.reason, null);
    });
  });
}

test('a lease counts from before it was asked for, however late the answer', async () => {
  await withWorld(async (world) => {
    world.connection = 'slow';
    // Asked after a third of the lease, answered 20 s later: most of the new lease is over by then.
    await world.pass(LEASE_MS / 3 + 20_000 + 1000);
    assert.ok(world.isExecuting);
    await world.pass(pauseMs - 20_000 + 500);
    assert.equal(world.vm.state, 'paused');
  });
});

test('a machine that slept pauses the VM at once, and lets it go on when the store says that it may', async () => {
  await withWorld(async (world) => {
    world.connection = 'down';
    world.holderClock.wallOffsetMs += LEASE_MS;
    await world.pass(1500);
    assert.ok(!world.isExecuting);
    world.connection = 'up';
    await world.pass(10_000);
    assert.ok(world.isExecuting);
  });
});

test('a wall clock that is set back does not make a lease longer', async () => {
  await withWorld(async (world) => {
    world.connection = 'down';
    world.holderClock.wallOffsetMs -= 3_600_000;
    await world.pass(pauseMs + 1000);
    assert.ok(!world.isExecuting);
  });
});

test('a VM that cannot be paused is frozen before its lease ends', async () => {
  await withWorld(async (world) => {
    world.connection = 'down';
    world.isVmDeaf = true;
    await world.pass(pauseMs + 500);
    assert.ok(world.isExecuting, 'or this would test nothing');
    await world.pass(fuseMs - pauseMs);
    assert.ok(!world.isExecuting);
  });
});

test('a renewal that is granted and not known to be written is guarded all the same', async () => {
  await withWorld(async (world) => {
    world.isSyncRefused = true;
    await world.pass(LEASE_MS / 2);
    assert.match(world.watch.trouble ?? '', /whether it was written/);
    world.killHolder();
    await world.pass(fuseMs);
    assert.ok(!world.isExecuting, 'the fuse has frozen it');
  });
});

test('what was asked for and not granted leaves no fuse behind', async () => {
  await withWorld(async (world) => {
    world.connection = 'down';
    await world.pass(3 * LEASE_MS, () => assert.ok(world.sparks <= 1, 'but that of the question under way'));
  });
});

test('an answer that comes when the lease would be over is of no use', async () => {
  await withWorld(async (world) => {
    world.connection = 'too-slow';
    await world.pass(LEASE_MS / 3 + LEASE_MS + 1000);
    assert.equal(world.vm.state, 'paused');
    assert.match(world.watch.trouble ?? '', /too late/);
  });
});

test('a lease that is watched no more is not renewed', async () => {
  await withWorld(async (world) => {
    const before = await world.record();
    await world.watch.end();
    await world.pass(LEASE_MS / 2);
    assert.deepEqual(await world.record(), before);
  });
});

test('an answer to who watches no more lets nothing go on', async () => {
  await withWorld(async (world) => {
    world.connection = 'down';
    await world.pass(pauseMs + 1000);
    assert.equal(world.vm.state, 'paused');
    const before = await world.record();
    world.connection = 'slow';
    await world.pass(10_000);
    assert.notDeepEqual(
      await world.record(),
      before,
      'the question is under way, or this would test nothing',
    );
    world.watch.abandon();
    await world.pass(LEASE_MS, () => assert.ok(!world.isExecuting));
  });
});

/** Its lease runs out while it cannot be paused, and is renewed before the fuse would freeze it. */
async function runOutUnpaused(world: LeaseWorld): Promise<void> {
  world.connection = 'down';
  await world.pass(pauseMs + 500);
  assert.equal(world.vm.ownership?.leasePause, 'ending');
  assert.equal(world.vm.state, 'running');
  world.connection = 'up';
}

test('a VM that was to be paused and never was goes on without a stop', async () => {
  await withWorld(async (world) => {
    world.isVmBusy = true;
    await runOutUnpaused(world);
    await world.pass(6000);
    assert.deepEqual([world.vm.ownership?.leasePause, world.pausesUnderLease], ['none', 0]);
  });
});

test('a VM that may have been paused is stopped and let go on, once', async () => {
  await withWorld(async (world) => {
    world.isVmDeaf = true;
    await runOutUnpaused(world);
    await world.pass(6000);
    assert.equal(world.vm.ownership?.leasePause, 'ending', 'nobody knows yet whether it runs');
    world.isVmDeaf = false;
    const tried = world.pausesUnderLease;
    await world.pass(LEASE_MS / 3);
    assert.deepEqual([world.vm.ownership?.leasePause, world.pausesUnderLease], ['none', tried + 1]);
    assert.ok(world.isExecuting);
    world.isVmBusy = true;
    await runOutUnpaused(world);
    await world.pass(6000);
    assert.deepEqual([world.vm.ownership?.leasePause, world.pausesUnderLease], ['none', tried + 1]);
  });
});

test('a host that finds its VM reclaimed by force stops it and says so, and does not take it back', async () => {
  await withWorld(async (world) => {
    world.startReclaim(true);
    await world.pass(LEASE_MS);
    assert.equal(world.reclaimed?.epoch, 4);
    assert.equal(world.lost?.state, 'at-rest');
    assert.equal(world.vm.state, 'paused');
    await world.pass(5 * LEASE_MS, () => assert.ok(!world.isExecuting));
    assert.equal((await world.record())?.epoch, 4);
  });
});

test('a host that is dead loses its VM after a whole lease of watching, and not before', async () => {
  await withWorld(async (world) => {
    world.killHolder();
    world.startReclaim();
    await world.pass(observeMs - 1000);
    const early = world.reclaimed;
    assert.equal(early, null);
    await world.pass(2000);
    assert.equal(world.reclaimed?.reclaimedFrom, 'a');
    assert.ok(!world.isExecuting, 'the fuse has frozen it');
  });
});

interface Happening {
  readonly afterMs: number;
  readonly what: Connection | 'kill' | 'reclaim' | 'clock-ahead' | 'clock-back' | 'busy' | 'idle';
}

const happenings: fc.Arbitrary<readonly Happening[]> = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 40_000 }),
    what: fc.constantFrom(
      'up',
      'down',
      'hangs',
      'answers-lost',
      'slow',
      'kill',
      'reclaim',
      'reclaim',
      'clock-ahead',
      'clock-back',
      'busy',
      'idle',
    ),
  }),
  { minLength: 1, maxLength: 12 },
);
const rate = fc.double({ min: 1 - CLOCK_RATE_ERROR_MAX, max: 1 + CLOCK_RATE_ERROR_MAX, noNaN: true });

function happen(world: LeaseWorld, { what }: Happening): void {
  switch (what) {
    case 'kill':
      return world.killHolder();
    case 'reclaim':
      return world.startReclaim();
    case 'clock-ahead':
    case 'clock-back':
      world.holderClock.wallOffsetMs += what === 'clock-ahead' ? 15_000 : -15_000;
      return;
    case 'busy':
    case 'idle':
      world.isVmBusy = what === 'busy';
      return;
    default:
      world.connection = what;
  }
}

test('whatever becomes of network, clocks and the holder: what was reclaimed without force does not execute', async () => {
  let reclaims = 0;
  await fc.assert(
    fc.asyncProperty(happenings, rate, rate, async (list, holder, reclaimer) => {
      const world = new LeaseWorld({ holder, reclaimer });
      const look = (): void => {
        if (world.reclaimed !== null) assert.ok(!world.isExecuting, 'it executes, and another may run it');
      };
      try {
        await world.begin();
        for (const happening of list) {
          await world.pass(happening.afterMs, look);
          happen(world, happening);
        }
        await world.pass(3 * LEASE_MS, look);
        if (world.reclaimed !== null) reclaims += 1;
      } finally {
        world.close();
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(reclaims > 10, `${reclaims} reclaims: too few to say anything`);
});
