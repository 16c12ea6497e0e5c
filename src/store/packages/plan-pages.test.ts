/** The parts of planning, against what they mean page by page. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { PageMap } from '../../snapshot/page-map.ts';
import {
  mapOfPlaces,
  places,
  placesOfMap,
  sampleFrame,
  sampleSession,
} from '../../../test/support/sample-maps.ts';
import type { Places } from '../../../test/support/sample-maps.ts';
import { chooseFrames, withoutFrames } from './choose-packs.ts';
import { withEqualPages } from './compare-pages.ts';
import { FrameCandidates } from './frame-candidates.ts';
import { PACKS_SPARE_MAX } from './limits.ts';
import { mapOfPlans } from './map-of-plans.ts';
import { overlayPlaces } from './overlay-places.ts';
import { packText } from './pack-name.ts';
import { NO_FRAME, PagePlanBuilder, plannedPages, stretchesFrom, unplacedPages } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';
import { KnownFiles, planPages } from './plan-pages.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';

/** What is said of one page: which page of which file, and the frame and its page. */
type PlannedPage = readonly [file: number, source: number, frame: number | null, framePage: number] | null;

function pagesOfPlan({ columns }: PagePlan, pageCount: number): readonly PlannedPage[] {
  const pages: PlannedPage[] = Array.from({ length: pageCount }, () => null);
  for (let index = 0; index < columns.first.length; index += 1) {
    const [first = 0, count = 0, file = 0] = [
      columns.first[index],
      columns.count[index],
      columns.file[index],
    ];
    const [source = 0, frame = 0, framePage = 0] = [
      columns.source[index],
      columns.frame[index],
      columns.framePage[index],
    ];
    for (let page = 0; page < count; page += 1) {
      const isPlaced = frame !== NO_FRAME;
      pages[first + page] = [file, source + page, isPlaced ? frame : null, isPlaced ? framePage + page : 0];
    }
  }
  return pages;
}

function planOf(pages: readonly PlannedPage[]): PagePlan {
  const builder = new PagePlanBuilder([sampleSession(1), sampleSession(2)]);
  for (const [page, planned] of pages.entries()) {
    if (planned === null) continue;
    const [file, source, frame, framePage] = planned;
    builder.append(page, 1, file, source);
    if (frame !== null) builder.place(frame, framePage);
  }
  return builder.finish();
}

/** Stretches of one to four pages, so that runs are cut in the middle. */
const stretches = (pageCount: number): fc.Arbitrary<readonly (readonly [boolean, number])[]> =>
  fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 4 })), { maxLength: pageCount });

describe('planPages', () => {
  it('says of each page what the book says of its page in its file', async () => {
    const file = sampleSession(1);
    await fc.assert(
      fc.asyncProperty(places, fc.nat(5), stretches(20), async (known, shift, runs) => {
        const candidates = new FrameCandidates();
        const book = { of: async () => mapOfPlaces(known) };
        const mapped: { firstPage: number; count: number; pageFile: string; sourcePage: number }[] = [];
        let [page, source] = [0, shift];
        for (const [isThere, count] of runs) {
          if (isThere) mapped.push({ firstPage: page, count, pageFile: file, sourcePage: source });
          page += count;
          source += count + (count % 2);
        }
        const plan = await planPages(PageMap.of(200, mapped), new KnownFiles(book, candidates));
        const pages = pagesOfPlan(plan, 200);
        const wanted: PlannedPage[] = Array.from({ length: 200 }, () => null);
        for (const { firstPage, count, sourcePage } of mapped) {
          for (let index = 0; index < count; index += 1) {
            const place = known[sourcePage + index] ?? null;
            const frame = place === null ? null : candidates.frames.indexOf(place[0]);
            wanted[firstPage + index] = [0, sourcePage + index, frame, place?.[1] ?? 0];
          }
        }
        assert.deepEqual(pages, wanted);
        assert.equal(plannedPages(plan), wanted.filter((planned) => planned !== null).length);
        assert.equal(unplacedPages(plan), wanted.filter((planned) => planned?.[2] === null).length);
      }),
    );
  });

  it('reads the book once for a file, and does without what it does not know', async () => {
    let reads = 0;
    const book = { of: async () => ((reads += 1), null) };
    const known = new KnownFiles(book, new FrameCandidates());
    const runs = [0, 5].map((firstPage) => ({
      firstPage,
      count: 3,
      pageFile: sampleSession(1),
      sourcePage: firstPage,
    }));
    for (let time = 0; time < 2; time += 1)
      assert.equal(unplacedPages(await planPages(PageMap.of(10, runs), known)), 6);
    assert.equal(reads, 1);
  });
});

const planned: fc.Arbitrary<readonly PlannedPage[]> = fc.array(
  fc.oneof(
    fc.constant(null),
    fc
      .tuple(fc.nat(1), fc.nat(50), fc.oneof(fc.constant(null), fc.nat(5)))
      .map(([file, source, frame]): PlannedPage => [file, source, frame, 0]),
  ),
  { minLength: 1, maxLength: 30 },
);

describe('plans', () => {
  it('take over the frames of pages that are the same', () => {
    fc.assert(
      fc.property(planned, fc.array(fc.boolean(), { maxLength: 30 }), (pages, isSame) => {
        const equal = pages.map((page, index): PlannedPage => {
          if (page === null || page[2] !== null || isSame[index] !== true) return null;
          return [page[0], page[1], 9, index];
        });
        const merged = withEqualPages(planOf(pages), planOf(equal));
        assert.deepEqual(
          pagesOfPlan(merged, pages.length),
          pages.map((page, index) => equal[index] ?? page),
        );
      }),
    );
  });

  it('become the map of what both have frames for', () => {
    fc.assert(
      fc.property(planned, planned, (a, b) => {
        const onlyB = b.map((page, index) => ((a[index]?.[2] ?? null) === null ? page : null));
        const frameOf = (session: number) => (frame: number) =>
          sampleFrame({ session, pack: 0, number: frame }, 1);
        const pageCount = Math.max(a.length, b.length);
        const map = mapOfPlans(
          pageCount,
          { plan: planOf(a), frameAt: frameOf(1) },
          { plan: planOf(onlyB), frameAt: frameOf(2) },
        );
        const place = (
          page: PlannedPage | undefined,
          session: number,
        ): readonly [FrameInfo, number] | null =>
          page === undefined || page === null || page[2] === null
            ? null
            : [frameOf(session)(page[2]), page[3]];
        assert.deepEqual(
          placesOfMap(map),
          Array.from({ length: pageCount }, (_, page) => place(a[page], 1) ?? place(onlyB[page], 2)),
        );
      }),
    );
  });

  it('can be looked at from a stretch on', () => {
    const plan = planOf([[0, 1, 2, 0], [0, 7, null, 0], null, [1, 3, 4, 0]]);
    assert.deepEqual(stretchesFrom(plan, 1).columns.first, Uint32Array.of(1, 3));
    assert.deepEqual(stretchesFrom(plan, 3).columns.first, new Uint32Array(0));
  });
});

describe('overlayPlaces', () => {
  it('lays what is new over what was known', () => {
    const news = places.map((wanted) =>
      wanted.map((place) => (place === null ? null : ([...place] as const))),
    );
    fc.assert(
      fc.property(fc.option(places), news, (known, laid) => {
        const list = laid.flatMap((place, firstPage) =>
          place === null ? [] : [{ firstPage, count: 1, frame: place[0], framePage: place[1] }],
        );
        const before: StoreMap | null = known === null ? null : mapOfPlaces(known);
        const map = overlayPlaces(before, laid.length, list);
        const wanted: Places = Array.from(
          { length: Math.max(laid.length, known?.length ?? 0) },
          (_, page) => laid[page] ?? known?.[page] ?? null,
        );
        assert.deepEqual(placesOfMap(map), wanted);
      }),
    );
  });

  it('counts the first of two that name the same page', () => {
    const [a, b] = [
      sampleFrame({ session: 1, pack: 0, number: 0 }, 5),
      sampleFrame({ session: 2, pack: 0, number: 0 }, 5),
    ];
    const map = overlayPlaces(null, 6, [
      { firstPage: 1, count: 3, frame: a, framePage: 0 },
      { firstPage: 1, count: 1, frame: b, framePage: 0 },
      { firstPage: 2, count: 4, frame: b, framePage: 1 },
    ]);
    assert.deepEqual(placesOfMap(map), [null, [a, 0], [a, 1], [a, 2], [b, 3], [b, 4]]);
  });
});

describe('chooseFrames', () => {
  const frame = (pack: number, number: number): FrameInfo => sampleFrame({ session: 1, pack, number }, 4);
  const known = (frames: readonly FrameInfo[]): { candidates: FrameCandidates; plan: PagePlan } => {
    const candidates = new FrameCandidates();
    candidates.addAll(mapOfPlaces(frames.map((info) => [info, 0])));
    return { candidates, plan: planOf(frames.map((_, index) => [0, index, index, 0])) };
  };
  const lengths = (frames: readonly FrameInfo[], lengthBytes: number): ReadonlyMap<string, number> =>
    new Map(frames.map(({ pack }) => [packText(pack), lengthBytes]));

  it('takes a pack that is there, is long enough, and is used enough', () => {
    const frames = [frame(0, 0)];
    const { candidates, plan } = known(frames);
    // A quarter of the frame's 1004 bytes is used.
    const choose = (lengthBytes: number): Uint8Array =>
      chooseFrames(candidates, [plan], lengths(frames, lengthBytes));
    assert.deepEqual(choose(1004 + 28), Uint8Array.of(0), 'less than a quarter of the pack');
    const twice = { ...plan, columns: { ...plan.columns, count: Uint32Array.of(2) } };
    assert.deepEqual(chooseFrames(candidates, [twice], lengths(frames, 1004 + 28)), Uint8Array.of(1));
    assert.deepEqual(chooseFrames(candidates, [twice], lengths(frames, 1031)), Uint8Array.of(0), 'it is cut');
    assert.deepEqual(chooseFrames(candidates, [twice], new Map()), Uint8Array.of(0), 'it is gone');
    assert.deepEqual(pagesOfPlan(withoutFrames(plan, Uint8Array.of(0)), 1), [[0, 0, null, 0]]);
  });

  it('takes no more packs than a few, and what the size asks for', () => {
    const frames = Array.from({ length: 200 }, (_, pack) => frame(pack, 0));
    const { candidates, plan } = known(frames);
    const isChosen = chooseFrames(candidates, [plan], lengths(frames, 1031));
    assert.equal(
      isChosen.reduce((sum, chosen) => sum + chosen, 0),
      0,
      'each is cut',
    );
    const used = { ...plan, columns: { ...plan.columns, count: new Uint32Array(200).fill(3) } };
    const chosen = chooseFrames(candidates, [used], lengths(frames, 1032));
    assert.equal(
      chosen.reduce((sum, one) => sum + one, 0),
      PACKS_SPARE_MAX + 1,
    );
  });

  it('believes neither of two that contradict each other', () => {
    const honest = [frame(0, 0), frame(0, 1)];
    for (const lie of [
      { ...frame(0, 1), offset: 5028 + 1 },
      { ...frame(0, 2), offset: 5030 },
    ]) {
      const { candidates, plan } = known(honest);
      candidates.addAll(mapOfPlaces([[lie, 0]]));
      const used = { ...plan, columns: { ...plan.columns, count: Uint32Array.of(4, 4) } };
      assert.deepEqual(
        chooseFrames(candidates, [used], lengths(honest, 7000)).slice(0, 2),
        Uint8Array.of(0, 0),
      );
    }
  });
});
