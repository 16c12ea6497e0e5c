import { assert, defined } from '../base/assert.ts';
import type { Bytes } from '../base/bytes.ts';
import { isUuid } from '../base/uuid.ts';
import type { Compute } from '../env/compute.ts';
import { PAGES_MAX, PAGE_MAP_RUNS_MAX } from './limits.ts';
import { MappedRunsBuilder, at, noMappedRuns, overlayRuns, withoutUnusedFiles } from './mapped-runs.ts';
import type { MappedRuns } from './mapped-runs.ts';
import { decodePageMap, encodePageMap } from './page-map-codec.ts';
import { PageRuns } from './page-runs.ts';

/** `count` pages of memory from `firstPage` on, which are in `pageFile` from `sourcePage` on. */
export interface MappedRun {
  readonly firstPage: number;
  readonly count: number;
  /** UUID of the page file. */
  readonly pageFile: string;
  readonly sourcePage: number;
}

/** What a snapshot adds to the map below it. The two sets of pages are disjoint. */
export interface PageDelta {
  /** UUID of a page file that holds the pages of `runs`. */
  readonly pageFile: string;
  /** Where they are in it: back to back from its start, in order (if absent), or each at its own place. */
  readonly placement?: 'packed' | 'in-place';
  readonly runs: PageRuns;
  /** Pages that are zero now, whatever they were. */
  readonly zeroRuns: PageRuns;
}

/**
 * Where each page of a memory, or of a disk over the files of its layers, is: in a page file, or nowhere when it is all zeros. A map is
 * complete by itself and never changes; a snapshot's map is the one below with a delta over it. Runs are ascending, do not overlap, and are joined
 * where both the memory and the file go on; every page file in the table is used.
 */
export class PageMap {
  /** Pages of the memory, zero or not. */
  readonly pageCount: number;
  /** UUIDs of the page files that hold pages of this memory. */
  readonly pageFiles: readonly string[];
  readonly #runs: MappedRuns;

  private constructor(pageCount: number, pageFiles: readonly string[], runs: MappedRuns) {
    this.pageCount = pageCount;
    this.pageFiles = pageFiles;
    this.#runs = runs;
  }

  /** A memory of zeros. */
  static empty(pageCount: number): PageMap {
    assertPageCount(pageCount);
    return new PageMap(pageCount, [], noMappedRuns);
  }

  /** The map of a mappable page file: each page of `runs` is at its own place in it, all else is zero. */
  static identity(pageCount: number, pageFile: string, runs: PageRuns): PageMap {
    assertPageCount(pageCount);
    assert(isUuid(pageFile), 'a page file is named by a UUID');
    assert(runs.endPage <= pageCount, 'runs lie inside the memory');
    const builder = new MappedRunsBuilder(runs.length);
    for (const run of runs) builder.append(run.firstPage, run.count, 0, run.firstPage);
    return new PageMap(pageCount, runs.length === 0 ? [] : [pageFile], builder.finish());
  }

  /** The map of a memory or disk whose pages lie in several files, at most `PAGE_MAP_RUNS_MAX` runs; ascending, without overlap. */
  static of(pageCount: number, runs: readonly MappedRun[]): PageMap {
    assertPageCount(pageCount);
    assert(runs.length <= PAGE_MAP_RUNS_MAX, 'the runs are within the bounds of a map');
    const pageFiles = [...new Set(runs.map((run) => run.pageFile))];
    assert(pageFiles.every(isUuid), 'a page file is named by a UUID');
    const numbers = new Map(pageFiles.map((pageFile, index) => [pageFile, index]));
    const builder = new MappedRunsBuilder(runs.length);
    for (const { firstPage, count, pageFile, sourcePage } of runs) {
      assert(firstPage + count <= pageCount, 'runs lie inside the memory');
      builder.append(
        firstPage,
        count,
        defined(numbers.get(pageFile), 'the number of a page file'),
        sourcePage,
      );
    }
    return new PageMap(pageCount, pageFiles, builder.finish());
  }

  /**
   * The map in `bytes`, which are not trusted; `docs/FORMAT.md` has the format.
   * @throws KelpieError `snapshot_corrupt`, or `package_too_new` for a format of a later version.
   */
  static decode(bytes: Bytes, compute: Pick<Compute, 'sha256'>): PageMap {
    const { pageCount, pageFiles, runs } = decodePageMap(bytes, compute);
    return new PageMap(pageCount, pageFiles, runs);
  }

  encode(compute: Pick<Compute, 'sha256'>): Bytes {
    return encodePageMap({ pageCount: this.pageCount, pageFiles: this.pageFiles, runs: this.#runs }, compute);
  }

  /** How many runs there are. */
  get runCount(): number {
    return this.#runs.first.length;
  }

  /** Pages that are in a page file. */
  get nonZeroPages(): number {
    let pages = 0;
    for (const count of this.#runs.count) pages += count;
    return pages;
  }

  /** The runs as columns, whose files are indexes of `pageFiles`: for whoever walks a large map. */
  get columns(): MappedRuns {
    return this.#runs;
  }

  /** Ascending by page. */
  *runs(): Generator<MappedRun> {
    for (let index = 0; index < this.runCount; index += 1) yield this.#run(index);
  }

  /** The pages that are in a page file. */
  nonZeroRuns(): PageRuns {
    return PageRuns.of(this.runs());
  }

  /** Where a page is; null when it is zero. */
  find(page: number): { readonly pageFile: string; readonly sourcePage: number } | null {
    assert(page >= 0 && page < this.pageCount, 'the page lies inside the memory');
    let low = 0;
    let high = this.runCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { firstPage, count } = this.#run(middle);
      if (page < firstPage) high = middle;
      else if (page >= firstPage + count) low = middle + 1;
      else return this.#placeIn(middle, page);
    }
    return null;
  }

  /**
   * This map with `delta` over it; page files that no page is left in are dropped from the table.
   * @throws KelpieError `limit_exceeded` when the memory is too scattered for a map.
   */
  overlay(delta: PageDelta): PageMap {
    assert(isUuid(delta.pageFile), 'a page file is named by a UUID');
    assert(!this.pageFiles.includes(delta.pageFile), 'a delta brings a page file of its own');
    assert(
      Math.max(delta.runs.endPage, delta.zeroRuns.endPage) <= this.pageCount,
      'the delta lies inside the memory',
    );
    const files = [...this.pageFiles, delta.pageFile];
    const merged = overlayRuns(this.#runs, delta, files.length - 1);
    const { runs, isUsed } = withoutUnusedFiles(merged, files.length);
    return new PageMap(
      this.pageCount,
      files.filter((_, index) => isUsed[index]),
      runs,
    );
  }

  #run(index: number): MappedRun {
    const { first, count, file, source } = this.#runs;
    return {
      firstPage: at(first, index),
      count: at(count, index),
      pageFile: defined(this.pageFiles[at(file, index)], 'the page file of a run'),
      sourcePage: at(source, index),
    };
  }

  #placeIn(index: number, page: number): { readonly pageFile: string; readonly sourcePage: number } {
    const run = this.#run(index);
    return { pageFile: run.pageFile, sourcePage: run.sourcePage + (page - run.firstPage) };
  }
}

function assertPageCount(pageCount: number): void {
  assert(
    Number.isInteger(pageCount) && pageCount >= 1 && pageCount <= PAGES_MAX,
    'a memory or disk has pages, within bounds',
  );
}
