import { assert, defined } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { PAGE_FILES_MAX, PAGE_MAP_RUNS_MAX } from './limits.ts';
import type { PageRuns } from './page-runs.ts';

/** The runs of a page map, as columns of equal length: run `i` is `count[i]` pages from page `first[i]` on. */
export interface MappedRuns {
  readonly first: Uint32Array;
  readonly count: Uint32Array;
  /** Index of the page file in the map's table. */
  readonly file: Uint32Array;
  /** Page of the page file where the run starts. */
  readonly source: Uint32Array;
}

/** The value at an index that is in bounds by the program's own logic. */
export function at(column: Uint32Array, index: number): number {
  return defined(column[index], 'the entry of a column');
}

/** Collects runs in ascending order; a run that goes on where the last one ended, in memory and in the file, becomes one with it. */
export class MappedRunsBuilder {
  readonly #first: Uint32Array;
  readonly #count: Uint32Array;
  readonly #file: Uint32Array;
  readonly #source: Uint32Array;
  #length = 0;

  /** @param capacity the most runs that will be appended. */
  constructor(capacity: number) {
    this.#first = new Uint32Array(capacity);
    this.#count = new Uint32Array(capacity);
    this.#file = new Uint32Array(capacity);
    this.#source = new Uint32Array(capacity);
  }

  append(firstPage: number, count: number, file: number, sourcePage: number): void {
    assert(count >= 1, 'a run has pages');
    const last = this.#length - 1;
    if (last >= 0) {
      const lastCount = at(this.#count, last);
      const endPage = at(this.#first, last) + lastCount;
      assert(firstPage >= endPage, 'runs are appended in ascending order');
      const continues =
        firstPage === endPage &&
        at(this.#file, last) === file &&
        at(this.#source, last) + lastCount === sourcePage;
      if (continues) {
        this.#count[last] = lastCount + count;
        return;
      }
    }
    assert(this.#length < this.#first.length, 'the builder was made large enough');
    this.#first[this.#length] = firstPage;
    this.#count[this.#length] = count;
    this.#file[this.#length] = file;
    this.#source[this.#length] = sourcePage;
    this.#length += 1;
  }

  /** The builder is spent. */
  finish(): MappedRuns {
    return {
      first: this.#first.slice(0, this.#length),
      count: this.#count.slice(0, this.#length),
      file: this.#file.slice(0, this.#length),
      source: this.#source.slice(0, this.#length),
    };
  }
}

/** No runs: the memory is all zeros. */
export const noMappedRuns: MappedRuns = new MappedRunsBuilder(0).finish();

export interface OverlaidRuns {
  readonly runs: PageRuns;
  readonly zeroRuns: PageRuns;
  /** Of `runs` in their file: back to back from its start (if absent), or each page at its own place. */
  readonly placement?: 'packed' | 'in-place';
}

/**
 * `base` without the pages of both `runs` and `zeroRuns`, and with the pages of `runs`, which are in `file`.
 * @throws KelpieError `limit_exceeded` when the memory is too scattered for a map.
 */
export function overlayRuns(base: MappedRuns, over: OverlaidRuns, file: number): MappedRuns {
  const { runs, zeroRuns, placement = 'packed' } = over;
  // A run that is laid over the base adds itself and splits at most one run of the base in two.
  const merged = new MappedRunsBuilder(base.first.length + 2 * runs.length + zeroRuns.length);
  const below = new BaseCursor(base, merged);
  let zero = 0;
  let sourcePage = 0;
  const skipZerosBefore = (page: number): void => {
    while (zero < zeroRuns.length && zeroRuns.firstPage(zero) < page) {
      const end = zeroRuns.firstPage(zero) + zeroRuns.count(zero);
      assert(end <= page, 'a page is either written or zero');
      below.copyUntil(zeroRuns.firstPage(zero));
      below.skipUntil(end);
      zero += 1;
    }
  };
  for (let index = 0; index < runs.length; index += 1) {
    const firstPage = runs.firstPage(index);
    const count = runs.count(index);
    skipZerosBefore(firstPage);
    assert(
      zero === zeroRuns.length || zeroRuns.firstPage(zero) >= firstPage + count,
      'a page is either written or zero',
    );
    below.copyUntil(firstPage);
    merged.append(firstPage, count, file, placement === 'packed' ? sourcePage : firstPage);
    sourcePage += count;
    below.skipUntil(firstPage + count);
  }
  skipZerosBefore(Infinity);
  below.copyUntil(Infinity);
  const finished = merged.finish();
  if (finished.first.length > PAGE_MAP_RUNS_MAX || file >= PAGE_FILES_MAX) {
    throw new KelpieError(
      'limit_exceeded',
      'the memory is scattered over too many pieces: restart the VM from its disk, then take a snapshot.',
    );
  }
  return finished;
}

/** Which files of a table of `fileCount` are used, and the runs with the others taken out of the numbering. */
export function withoutUnusedFiles(
  runs: MappedRuns,
  fileCount: number,
): { readonly runs: MappedRuns; readonly isUsed: readonly boolean[] } {
  const isUsed = Array.from({ length: fileCount }, () => false);
  for (const file of runs.file) isUsed[file] = true;
  if (!isUsed.includes(false)) return { runs, isUsed };
  let next = 0;
  const renumbered = isUsed.map((used) => (used ? next++ : 0));
  return {
    runs: { ...runs, file: runs.file.map((file) => defined(renumbered[file], 'the number of a file')) },
    isUsed,
  };
}

/** Walks the runs below a delta once, copying or leaving out what lies before a page. */
class BaseCursor {
  readonly #base: MappedRuns;
  readonly #target: MappedRunsBuilder;
  #index = 0;
  /** Pages of the run at `#index` that are done. */
  #done = 0;

  constructor(base: MappedRuns, target: MappedRunsBuilder) {
    this.#base = base;
    this.#target = target;
  }

  copyUntil(page: number): void {
    this.#advance(page, true);
  }

  skipUntil(page: number): void {
    this.#advance(page, false);
  }

  #advance(page: number, copies: boolean): void {
    const { first, count, file, source } = this.#base;
    while (this.#index < first.length) {
      const start = at(first, this.#index) + this.#done;
      if (start >= page) return;
      const left = at(count, this.#index) - this.#done;
      const taken = Math.min(left, page - start);
      if (copies) {
        this.#target.append(start, taken, at(file, this.#index), at(source, this.#index) + this.#done);
      }
      this.#done += taken;
      if (this.#done < at(count, this.#index)) return;
      this.#index += 1;
      this.#done = 0;
    }
  }
}
