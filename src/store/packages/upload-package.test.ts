import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import { PageMap } from '../../snapshot/page-map.ts';
import type { LocalPages, TransferProgress } from '../teleport-storage.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { patternBytes, sha256 } from '../../../test/support/sample-package.ts';
import { FaultyObjects } from '../../../test/support/faulty-objects.ts';
import { openPackage } from './open-package.ts';
import { StoreMap } from './store-map.ts';
import { PublishWorld, bytesOf } from '../../../test/support/publish-world.ts';
import type { PageContents } from '../../../test/support/publish-world.ts';

const PAGES = MIB / PAGE_BYTES;

/** `count` pages, all different. */
function differentPages(count: number, first = 1): number[] {
  return Array.from({ length: count }, (_, page) => first + page);
}

/** A step of a VM's life and what happens around it. */
interface Step {
  /** Page and what it becomes: 0 zeros, 1 what it is already (it was written, though), else new bytes. */
  readonly writes: readonly (readonly [number, number])[];
  /** Laid out anew for a start, so that no file of it is known. */
  readonly isLaidOut: boolean;
  readonly isPublished: boolean;
  readonly hasBase: boolean;
  /** The host forgets where this part of its files is. */
  readonly forgets: number;
  /** This pack of the store is gone. */
  readonly losesPack: number | null;
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    writes: fc.array(fc.tuple(fc.nat(PAGES - 1), fc.nat(4)), { maxLength: 60 }),
    isLaidOut: fc.boolean(),
    isPublished: fc.boolean(),
    hasBase: fc.boolean(),
    forgets: fc.constantFrom(0, 0, 0.5, 1),
    losesPack: fc.option(fc.nat(20), { freq: 4 }),
  }),
  { minLength: 1, maxLength: 6 },
);

describe('uploadPackage', () => {
  it('publishes what can be read back, whatever was written, shared, forgotten and lost before', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        await PublishWorld.with(async (world) => {
          let contents: PageContents = differentPages(PAGES).map((page) => (page % 3 === 0 ? 0 : page));
          let memory = await world.mappable(contents);
          let before: LocalPages | null = null;
          let next = 10_000;
          for (const step of history) {
            const after = [...contents];
            for (const [page, kind] of step.writes) {
              next += 1;
              after[page] = kind === 0 ? 0 : kind === 1 ? (contents[page] ?? 0) : next;
            }
            const written = new Set(step.writes.map(([page]) => page));
            memory = step.isLaidOut
              ? await world.mappable(after)
              : await world.overlay(memory, after, written);
            contents = after;
            for (const [index, file] of [...world.places.files.keys()].entries())
              if (index % 2 < step.forgets * 2) world.places.files.delete(file);
            const packs = await world.keys('packs/');
            const lost = packs[(step.losesPack ?? Infinity) % packs.length];
            if (lost !== undefined) await world.objects.delete(lost);
            if (!step.isPublished) continue;
            const disk = await world.mappable(contents.toReversed());
            const base =
              step.hasBase && before !== null
                ? { memory: before, disk: world.pages(PageMap.empty(PAGES)) }
                : null;
            const { id } = await world.publish({ memory, disk, base });
            await world.expect(id, contents, contents.toReversed());
            before = memory;
          }
        });
      }),
      { numRuns: 40 },
    );
  });

  it('sends only the pages that changed, and the same again not at all', async () => {
    await PublishWorld.with(async (world) => {
      const contents = differentPages(8 * PAGES);
      const memory = await world.mappable(contents);
      const first = await world.publish({ memory });
      assert.ok(world.counted.rawBytes > 8 * MIB);
      const changed = new Set([0, 1, 77, 1024, 2047]);
      const after = contents.map((content, page) => (changed.has(page) ? 100_000 + page : content));
      const later = await world.overlay(memory, after, changed);
      world.counted.rawBytes = 0;
      const second = await world.publish({ memory: later, parentId: first.id });
      const overhead = 3000;
      assert.ok(
        world.counted.rawBytes - changed.size * PAGE_BYTES < overhead,
        `${world.counted.rawBytes} bytes`,
      );
      assert.equal(second.parentId, first.id);
      assert.ok(second.sizes.sharedBytes > 7 * MIB);
      await world.expect(second.id, after);
      world.counted.rawBytes = 0;
      await world.publish({ memory: later });
      assert.ok(world.counted.rawBytes < overhead);
    });
  });

  it('finds by comparing what was written and did not change, and remembers it', async () => {
    await PublishWorld.with(async (world) => {
      const contents = differentPages(2 * PAGES);
      const base = { memory: await world.mappable(contents), disk: world.pages(PageMap.empty(PAGES)) };
      await world.publish({ memory: base.memory });
      const after = contents.map((content, page) => (page === 300 ? 0 : page === 301 ? 777_777 : content));
      const memory = await world.mappable(after);
      world.counted.rawBytes = 0;
      const second = await world.publish({ memory, base });
      assert.ok(world.counted.rawBytes < PAGE_BYTES + 3000);
      await world.expect(second.id, after);
      world.counted.rawBytes = 0;
      await world.expect((await world.publish({ memory })).id, after);
      assert.ok(world.counted.rawBytes < 3000, 'what was found equal has its place now');
    });
  });

  it('does without a snapshot before that cannot be read', async () => {
    await PublishWorld.with(async (world) => {
      const contents = differentPages(PAGES);
      const base = { memory: await world.mappable(contents), disk: world.pages(PageMap.empty(PAGES)) };
      await world.publish({ memory: base.memory });
      const [file = ''] = base.memory.map.pageFiles;
      await truncate(world.pathOf(file), 5 * PAGE_BYTES);
      const { id } = await world.publish({ memory: await world.mappable(contents), base });
      await world.expect(id, contents);
    });
  });

  it('sends nothing for zeros, also for those that a file has', async () => {
    await PublishWorld.with(async (world) => {
      const file = await world.file(Array.from({ length: PAGES }, (_, page) => (page % 2 === 0 ? 0 : page)));
      const all = PageMap.identity(
        PAGES,
        file,
        (await world.mappable(differentPages(PAGES))).map.nonZeroRuns(),
      );
      const { id, sizes } = await world.publish({ memory: world.pages(all) });
      assert.equal(sizes.memoryBytes, (PAGES / 2) * PAGE_BYTES);
      await world.expect(
        id,
        Array.from({ length: PAGES }, (_, page) => (page % 2 === 0 ? 0 : page)),
      );
      world.counted.rawBytes = 0;
      const empty = await world.publish({ memory: world.pages(PageMap.empty(PAGES)) });
      assert.ok(world.counted.rawBytes < 1000);
      assert.equal(empty.sizes.memoryBytes, 0);
      assert.equal(empty.parentId, null);
    });
  });

  it('sends the pages of a pack again of which too little is used', async () => {
    await PublishWorld.with(async (world) => {
      let contents: PageContents = differentPages(4 * PAGES);
      let memory = await world.mappable(contents);
      const first = await openPackage(world.env, world, (await world.publish({ memory })).id);
      const [session] = first.manifest.packs.map((pack) => pack.session);
      const sharesFirst: boolean[] = [];
      // Round by round another tenth is overwritten.
      for (let round = 0; round < 9; round += 1) {
        const written = new Set([...contents.keys()].filter((page) => page % 10 === round));
        contents = contents.map((content, page) =>
          written.has(page) ? 50_000 * (round + 1) + page : content,
        );
        memory = await world.overlay(memory, contents, written);
        const { id } = await world.publish({ memory });
        await world.expect(id, contents);
        const opened = await openPackage(world.env, world, id);
        sharesFirst.push(opened.manifest.packs.some((pack) => pack.session === session));
      }
      // With three quarters gone, and the device state and the map in it as well, the rest is not worth the request.
      assert.deepEqual(sharesFirst, [true, true, true, true, true, true, true, false, false]);
      const listed: string[] = [];
      const { objects } = new FaultyObjects(world.objects);
      const list: typeof objects.list = async (options) => {
        listed.push(options.prefix);
        return await objects.list(options);
      };
      await world.publish({ memory, objects: { ...objects, list } });
      assert.ok(listed.some((prefix) => prefix.startsWith('packs/')));
      assert.ok(!listed.includes(`packs/${session ?? ''}/`), 'nor is it asked whether it is there');
    });
  });

  it('sends the image once, and finds it by its hint as long as that holds', async () => {
    await PublishWorld.with(async (world) => {
      const bytes = patternBytes(3 * MIB + 17, 5);
      const imageFiles = [
        { name: 'rootfs', sha256: sha256(bytes), ...bytesOf(bytes) },
        { name: 'kernel', sha256: sha256(new Uint8Array(0)), ...bytesOf(new Uint8Array(0)) },
      ];
      const memory = await world.mappable([1, ...differentPages(PAGES - 1)]);
      await world.publish({ memory, imageFiles });
      world.counted.rawBytes = 0;
      const second = await world.publish({ memory, imageFiles });
      assert.ok(world.counted.rawBytes < 10_000);
      assert.deepEqual(second.imageFiles[0], {
        name: 'rootfs',
        sha256: sha256(bytes),
        sizeBytes: bytes.byteLength,
      });
      await world.expect(second.id, [1, ...differentPages(PAGES - 1)]);
      const [hint = ''] = await world.keys('images/');
      for (const damaged of ['{', '{"formatVersion":9}', '{"body":[],"formatVersion":1,"packs":["../x"]}']) {
        await world.objects.put(hint, new TextEncoder().encode(damaged));
        const again = await world.publish({ memory, imageFiles });
        assert.equal(again.imageFiles.length, 2);
      }
      for (const key of await world.keys('packs/')) await world.objects.delete(key);
      const last = await world.publish({ memory, imageFiles });
      await world.expect(last.id, [1, ...differentPages(PAGES - 1)]);
    });
  });

  it('refuses an image file that is damaged, and gives no hint to it', async () => {
    await PublishWorld.with(async (world) => {
      const bytes = patternBytes(1000, 5);
      const memory = await world.mappable(differentPages(PAGES));
      for (const wrong of [{ sha256: 'ab'.repeat(32) }, { sizeBytes: 999 }, { sizeBytes: 1001 }]) {
        const imageFiles = [{ name: 'rootfs', sha256: sha256(bytes), ...bytesOf(bytes), ...wrong }];
        await refusedAs(world.publish({ memory, imageFiles }), 'image_corrupt');
      }
      assert.deepEqual(await world.keys('images/'), []);
      assert.deepEqual(await world.keys('pins/'), []);
    });
  });

  it('refuses a memory whose file is cut, and takes the end of a disk layer for zeros', async () => {
    await PublishWorld.with(async (world) => {
      const contents = differentPages(PAGES);
      const cut = await world.mappable(contents);
      const [file = ''] = cut.map.pageFiles;
      await truncate(world.pathOf(file), 100 * PAGE_BYTES + 100);
      await refusedAs(world.publish({ memory: cut }), 'snapshot_corrupt');
      assert.deepEqual(await world.packageIds(), []);
      await truncate(world.pathOf(file), 100 * PAGE_BYTES);
      const { id } = await world.publish({ memory: await world.mappable(contents), disk: cut });
      await world.expect(id, contents, contents.slice(0, 100));
    });
  });

  it('refuses what is of another size than its VM', async () => {
    await PublishWorld.with(async (world) => {
      const memory = await world.mappable(differentPages(PAGES + 1));
      await refusedAs(world.publish({ memory }), 'snapshot_corrupt');
    });
  });

  it('refuses what has more data than a package can name, before it is sent', async () => {
    await PublishWorld.with(async (world) => {
      const [pageCount, pageFile] = [2 ** 28, await world.file([1])];
      const map = PageMap.of(pageCount, [{ firstPage: 0, count: pageCount, pageFile, sourcePage: 0 }]);
      await refusedAs(world.publish({ memory: world.pages(map) }), 'limit_exceeded');
      assert.deepEqual([await world.keys('packs/'), await world.keys('pins/')], [[], []]);
    });
  });

  it('does not believe places that contradict each other', async () => {
    await PublishWorld.with(async (world) => {
      const contents = differentPages(2 * PAGES);
      const memory = await world.mappable(contents);
      await world.publish({ memory });
      const [file = ''] = memory.map.pageFiles;
      const honest = await world.places.of(file);
      assert.ok(honest !== null);
      const halves = [
        contents.map((page) => (page > PAGES ? 0 : page)),
        contents.map((page) => (page > PAGES ? page : 0)),
      ];
      const [liar, other] = [await world.mappable(halves[0] ?? []), await world.mappable(halves[1] ?? [])];
      const lies = honest.frames.map((frame) => ({ ...frame, offset: frame.offset + 5 }));
      await world.places.set(
        liar.map.pageFiles[0] ?? '',
        new StoreMap(honest.pageCount, lies, honest.columns),
      );
      await world.places.set(other.map.pageFiles[0] ?? '', honest);
      const { id } = await world.publish({ memory: liar, disk: other });
      await world.expect(id, halves[0] ?? [], halves[1] ?? []);
    });
  });

  it('tells how far it is, to the end, and how much was really moved', async () => {
    await PublishWorld.with(async (world) => {
      const seen: TransferProgress[] = [];
      const memory = await world.mappable(differentPages(3 * PAGES));
      await world.publish({ memory, onProgress: (progress) => void seen.push(progress) });
      for (const item of ['memory', 'device-state']) {
        const of = seen.filter((progress) => progress.item === item);
        const done = of.map(({ doneBytes }) => doneBytes);
        assert.deepEqual(
          done,
          done.toSorted((a, b) => a - b),
        );
        assert.equal(done.at(-1), of.at(-1)?.totalBytes);
      }
    });
  });

  it('publishes the same several times at once', async () => {
    await PublishWorld.with(async (world) => {
      const contents = differentPages(2 * PAGES);
      const memory = await world.mappable(contents);
      const published = await Promise.all([1, 2, 3].map(async () => await world.publish({ memory })));
      for (const { id } of published) await world.expect(id, contents);
      assert.equal(new Set(await world.packageIds()).size, 3);
    });
  });
});
