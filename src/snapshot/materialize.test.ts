import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultyEnv } from '../../test/support/faulty-env.ts';
import { patternBytes } from '../../test/support/sample-package.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import type { Bytes } from '../base/bytes.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { Env } from '../env/env.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { materializeMemory } from './materialize.ts';
import { PageMap } from './page-map.ts';
import { PageRuns } from './page-runs.ts';

interface Fixture {
  readonly env: Env;
  readonly directory: string;
  readonly target: string;
  readonly resolvePath: (pageFile: string) => string;
  /** Adds a page file for the runs, and the map with it over `map`. */
  readonly add: (map: PageMap, runs: PageRuns, zeroRuns?: PageRuns) => Promise<PageMap>;
  /** What the memory must be. */
  readonly memory: Bytes;
}

const PAGES = 3000;

function withFixture(sentence: string, check: (fixture: Fixture) => Promise<void>): void {
  test(sentence, { timeout: 60_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'kelpie-materialize-'));
    const env = createNodeEnv();
    const memory = new Uint8Array(PAGES * PAGE_BYTES);
    const resolvePath = (pageFile: string): string => `${directory}/${pageFile}.pages`;
    let seed = 0;
    const add = async (map: PageMap, runs: PageRuns, zeroRuns = PageRuns.none): Promise<PageMap> => {
      const pageFile = env.random.uuid();
      const bytes = patternBytes(runs.pages * PAGE_BYTES, (seed += 1));
      await writeFile(resolvePath(pageFile), bytes);
      let offset = 0;
      for (const { firstPage, count } of runs) {
        memory.set(bytes.subarray(offset, offset + count * PAGE_BYTES), firstPage * PAGE_BYTES);
        offset += count * PAGE_BYTES;
      }
      for (const { firstPage, count } of zeroRuns)
        memory.fill(0, firstPage * PAGE_BYTES, (firstPage + count) * PAGE_BYTES);
      return map.overlay({ pageFile, runs, zeroRuns });
    };
    try {
      await check({ env, directory, target: `${directory}/target.pages`, resolvePath, add, memory });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
}

const every = (step: number, count: number, from = 0): PageRuns =>
  PageRuns.of(
    Array.from({ length: Math.floor((PAGES - from) / step) }, (_, index) => ({
      firstPage: from + index * step,
      count,
    })),
  );

withFixture(
  'a mappable file has every page at its place, and holes elsewhere',
  async ({ env, target, resolvePath, add, memory }) => {
    let map = await add(PageMap.empty(PAGES), PageRuns.of([{ firstPage: 10, count: 700 }]));
    map = await add(map, every(7, 1));
    map = await add(map, every(7, 2, 3), every(7, 1, 1));
    await materializeMemory(env, map, resolvePath, target);
    assert.ok((await readFile(target)).equals(memory));

    const sparse = await add(PageMap.empty(PAGES), PageRuns.of([{ firstPage: 2999, count: 1 }]));
    await materializeMemory(env, sparse, resolvePath, target);
    const { size, blocks } = await stat(target);
    assert.equal(size, PAGES * PAGE_BYTES);
    assert.ok(blocks * 512 < 64 * 1024, 'zeros take no space');
  },
);

withFixture(
  'a memory of more page files than may be open is laid out',
  async ({ env, target, resolvePath, add, memory }) => {
    let map = PageMap.empty(PAGES);
    for (let index = 0; index < 150; index += 1)
      map = await add(map, PageRuns.of([{ firstPage: (index * 7) % 300, count: 3 }]));
    assert.ok(map.pageFiles.length > 64);
    await materializeMemory(env, map, resolvePath, target);
    assert.ok((await readFile(target)).equals(memory));
  },
);

withFixture('an empty memory is one hole', async ({ env, target, resolvePath }) => {
  await materializeMemory(env, PageMap.empty(PAGES), resolvePath, target);
  assert.equal((await stat(target)).size, PAGES * PAGE_BYTES);
});

withFixture(
  'a missing or short page file is told, and nothing is left',
  async ({ env, directory, target, resolvePath, add }) => {
    const map = await add(PageMap.empty(PAGES), every(7, 1));
    const [pageFile = ''] = map.pageFiles;
    const path = resolvePath(pageFile);
    await writeFile(path, (await readFile(path)).subarray(0, -1));
    await refusedAs(materializeMemory(env, map, resolvePath, target), 'snapshot_corrupt');
    await rm(path);
    await refusedAs(materializeMemory(env, map, resolvePath, target), 'snapshot_corrupt');
    assert.deepEqual(await readdir(directory), []);
  },
);

withFixture(
  'a full disk and a cancel are told, and nothing is left',
  async ({ env, directory, target, resolvePath, add }) => {
    const map = await add(PageMap.empty(PAGES), every(7, 1));
    const before = await readdir(directory);
    const full = faultyEnv(env, { rules: [{ act: 'file.writeBatch', fault: { errno: 'ENOSPC' } }] });
    await refusedAs(materializeMemory(full.env, map, resolvePath, target), 'disk_full');
    assert.equal(full.injected.length, 1);
    await refusedAs(materializeMemory(env, map, resolvePath, target, AbortSignal.abort()), 'canceled');
    assert.deepEqual(await readdir(directory), before);
  },
);
