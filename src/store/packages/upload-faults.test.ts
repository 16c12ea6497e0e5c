/** A publish that is cut at every act, in every way, leaves nothing behind that is seen, tells why, and the next one succeeds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { Clock } from '../../env/clock.ts';
import type { Compute } from '../../env/compute.ts';
import { SystemError } from '../../env/system-error.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { reliable } from '../objects/open-objects.ts';
import { passOn } from '../objects/wrappers/wrap-objects.ts';
import { FaultyObjects } from '../../../test/support/faulty-objects.ts';
import type { Fault } from '../../../test/support/faulty-objects.ts';
import { PublishWorld, bytesOf } from '../../../test/support/publish-world.ts';
import type { PublishRequest } from '../../../test/support/publish-world.ts';
import { quickCompute } from '../../../test/support/quick-compute.ts';
import { patternBytes, sha256 } from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { FRAME_PAGES, PACK_FRAMES_MAX } from './limits.ts';
import { PACKAGES_PREFIX } from './package-key.ts';

const PAGES = MIB / PAGE_BYTES;
const contents = Array.from({ length: PAGES }, (_, page) => page + 1);
const after = contents.map((content, page) => (page % 100 === 0 ? content + 9000 : content));
const rootfs = patternBytes(5000, 3);

/** Six seconds pass between any two looks at it. Short waits are over at once, long ones never. */
function hastyClock(): Clock {
  let nowMs = 0;
  const wallMs = (): number => 1_700_000_000_000 + nowMs;
  return {
    wallMs,
    wallNs: () => BigInt(wallMs()) * 1_000_000n,
    monotonicMs: () => (nowMs += 6000),
    sleep: async (durationMs, signal) => {
      await new Promise(setImmediate);
      signal?.throwIfAborted();
      if (durationMs < 5000) return;
      await new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('the wait was ended')));
      });
    },
  };
}

interface Begun {
  readonly world: PublishWorld;
  /** Of the package that was published before. */
  readonly firstId: string;
  /** Publishes the next one. */
  readonly request: PublishRequest;
}

async function afterFirst(
  act: (begun: Begun) => Promise<void>,
  compute: Compute = quickCompute(),
): Promise<void> {
  const world = await PublishWorld.create({ clock: hastyClock(), compute });
  try {
    const before = await world.mappable(contents);
    const { id } = await world.publish({ memory: before });
    const written = new Set([...contents.keys()].filter((page) => page % 100 === 0));
    const memory = await world.overlay(before, after, written);
    const imageFiles = [{ name: 'rootfs', sha256: sha256(rootfs), ...bytesOf(rootfs) }];
    await act({ world, firstId: id, request: { memory, imageFiles } });
  } finally {
    await world.close();
  }
}

/** How many acts the second publish takes. */
async function countActs(): Promise<number> {
  let acts = 0;
  await afterFirst(async ({ world, request }) => {
    const store = new FaultyObjects(world.objects);
    await world.publish({ ...request, objects: store.objects });
    acts = store.acts;
  });
  return acts;
}

/** Whatever has happened: nothing runs on, the next publish succeeds, and every package that can be seen is whole. */
async function expectRepaired({ world, firstId, request }: Begun, store: FaultyObjects): Promise<void> {
  assert.equal(store.running, 0, 'nothing runs on');
  assert.ok((await world.packageIds()).length <= 2);
  await world.publish(request);
  for (const id of await world.packageIds()) await world.expect(id, id === firstId ? contents : after);
}

describe('a publish that is cut', () => {
  it('at any act, before or after it is done, tells the store’s trouble and leaves nothing half', async () => {
    const acts = await countActs();
    assert.ok(acts >= 6, `${acts}`);
    for (let at = 1; at <= acts; at += 1) {
      for (const how of ['refused', 'lost'] as const) {
        await afterFirst(async (begun) => {
          const store = new FaultyObjects(begun.world.objects, { at, how });
          const published = begun.world.publish({ ...begun.request, objects: store.objects });
          // The last act removes the pin, which is not worth a failure.
          if (at === acts) await published;
          else await refusedAs(published, 'store_unavailable');
          const visible = (await begun.world.packageIds()).length;
          assert.equal(visible, at === acts || (at === acts - 1 && how === 'lost') ? 2 : 1, `${at} ${how}`);
          await expectRepaired(begun, store);
        });
      }
    }
  });

  it('by its death at any act leaves what the next one repairs', async () => {
    const acts = await countActs();
    for (let at = 1; at <= acts; at += 1) {
      for (const how of ['dead', 'died'] as const) {
        await afterFirst(async (begun) => {
          const store = new FaultyObjects(begun.world.objects, { at, how });
          store.onAct = () => {
            begun.world.places.isFrozen ||= store.isDead;
          };
          await Promise.allSettled([begun.world.publish({ ...begun.request, objects: store.objects })]);
          begun.world.places.isFrozen = false;
          await expectRepaired(begun, store);
        });
      }
    }
  });

  it('by cancel at any act says so, or was done', async () => {
    const acts = await countActs();
    for (let at = 1; at <= acts; at += 1) {
      await afterFirst(async (begun) => {
        const controller = new AbortController();
        const store = new FaultyObjects(begun.world.objects);
        store.onAct = (_, number) => {
          if (number === at) controller.abort();
        };
        const { signal } = controller;
        const published = begun.world.publish({ ...begun.request, objects: store.objects, signal });
        if (at === acts) await published;
        else await refusedAs(published, 'canceled');
        // Whether a manifest comes that was on its way is not known, so its pin stays until it expires.
        if (at !== acts - 1) assert.deepEqual(await begun.world.keys('pins/'), [], `act ${at} of ${acts}`);
        await expectRepaired(begun, store);
      });
    }
  });

  it('by any trouble tells it by its code', async () => {
    const codes = {
      full: 'disk_full',
      write_denied: 'store_not_writable',
      credentials_expired: 'permission_denied',
      bucket_missing: 'store_unavailable',
    } as const;
    for (const [kind, code] of Object.entries(codes)) {
      const fault: Fault = { at: 4, how: 'refused', kind: kind as keyof typeof codes };
      await afterFirst(async (begun) => {
        const store = new FaultyObjects(begun.world.objects, fault);
        await refusedAs(begun.world.publish({ ...begun.request, objects: store.objects }), code);
        await expectRepaired(begun, store);
      });
    }
  });

  it('by lost answers goes on, where the store finds out', async () => {
    const acts = await countActs();
    for (let at = 1; at <= acts; at += 1) {
      await afterFirst(async (begun) => {
        const store = new FaultyObjects(begun.world.objects, { at, how: 'lost' });
        const objects = reliable(store.objects, begun.world.env);
        const { id } = await begun.world.publish({ ...begun.request, objects });
        await begun.world.expect(id, after);
        assert.deepEqual(await begun.world.keys('pins/'), []);
      });
    }
  });

  it('by a machine that cannot work on frames tells that', async () => {
    let calls = 0;
    const inner = quickCompute();
    const broken: Compute = {
      ...inner,
      packFrame: async (raw, seal) => {
        calls += 1;
        if (calls === 6) throw new SystemError('ENOMEM', 'work on', 'a frame');
        return await inner.packFrame(raw, seal);
      },
    };
    await afterFirst(async (begun) => {
      calls = 5;
      const store = new FaultyObjects(begun.world.objects);
      await refusedAs(begun.world.publish({ ...begun.request, objects: store.objects }), 'io_failed');
      await expectRepaired(begun, store);
    }, broken);
  });
});

describe('a publish that was cut', () => {
  /** Frames that are stored as they are: what is looked at is which are sent. */
  const plainFrames: Compute = {
    ...quickCompute(),
    packFrame: async (raw) => ({ bytes: raw, codec: 'stored', sha256: sha256(raw) }),
    unpackFrame: async ({ bytes }) => bytes.slice(),
  };

  it('is gone on with: packs that are durable are not sent again, also after a kill', async () => {
    const packPages = FRAME_PAGES * PACK_FRAMES_MAX;
    const large = Array.from({ length: 3 * packPages }, (_, page) => 1 + (page % 50));
    for (const how of ['refused', 'dead'] as const) {
      const world = await PublishWorld.create({ clock: hastyClock(), compute: plainFrames });
      try {
        const memory = await world.mappable(large);
        // The pin, and two packs; the third fails.
        const store = new FaultyObjects(world.objects, { at: 4, how });
        store.onAct = () => {
          world.places.isFrozen ||= store.isDead;
        };
        await refusedAs(world.publish({ memory, objects: store.objects }), 'store_unavailable');
        world.places.isFrozen = false;
        world.counted.rawBytes = 0;
        const { id } = await world.publish({ memory });
        const pages = Math.round(world.counted.rawBytes / PAGE_BYTES);
        assert.ok(
          pages <= packPages * (how === 'refused' ? 1 : 2) + 10,
          `${how}: ${pages} pages were sent again`,
        );
        await world.expect(id, large);
      } finally {
        await world.close();
      }
    }
  });

  it('has written down for good what it sent, before the package is seen', async () => {
    const world = await PublishWorld.create({ clock: hastyClock() });
    try {
      const memory = await world.mappable(contents);
      const { objects, places } = world;
      const seen: (readonly string[])[] = [];
      const watched: ObjectStore = {
        ...passOn(objects),
        putIfAbsent: async (key, bytes, options) => {
          if (key.startsWith(PACKAGES_PREFIX)) seen.push([...places.settled]);
          return await objects.putIfAbsent(key, bytes, options);
        },
      };
      await world.publish({ memory, objects: watched });
      assert.equal(seen.length, 1);
      assert.deepEqual(new Set(seen[0]), new Set(places.files.keys()));
      assert.ok(memory.map.pageFiles.every((file) => places.settled.has(file)));
    } finally {
      await world.close();
    }
  });

  it('takes few requests: a memory of 512 MiB at most 60', async () => {
    const tinyFrames: Compute = {
      ...quickCompute(),
      packFrame: async () => ({ bytes: new Uint8Array(100), codec: 'zstd', sha256: 'ab'.repeat(32) }),
    };
    const world = await PublishWorld.create({ compute: tinyFrames });
    try {
      const memory = await world.sparse(512 * PAGES, (page) => page % 4 !== 3);
      const store = new FaultyObjects(world.objects);
      await world.publish({ memory, objects: store.objects });
      assert.ok(store.acts <= 60, `${store.acts} requests`);
    } finally {
      await world.close();
    }
  });
});
