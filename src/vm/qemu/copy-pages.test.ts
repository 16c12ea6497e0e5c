import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../../base/bytes.ts';
import { concat } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Extent, FileHandle } from '../../env/files.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../../env/files.ts';
import { createNodeCompute } from '../../env/node/compute.ts';
import { SystemError } from '../../env/system-error.ts';
import { PageRuns } from '../../snapshot/page-runs.ts';
import type { CopiedPages } from './copy-pages.ts';
import { PageCopy } from './copy-pages.ts';
import type { GuestRam } from './guest-ram.ts';
import { HELD_BATCHES_MAX } from './limits.ts';

const compute = createNodeCompute();

/** A page that begins with its number, or is zero. */
function pageOf(page: number, zeroEvery: number): Bytes {
  const bytes = new Uint8Array(PAGE_BYTES);
  if (page % zeroEvery !== 0) new DataView(bytes.buffer).setUint32(0, page, true);
  return bytes;
}

function ramOf(zeroEvery: number): GuestRam {
  return {
    read: async (extents, into) => {
      assert.ok(extents.length <= BATCH_EXTENTS_MAX);
      let filled = 0;
      for (const { offset, length } of extents) {
        for (let done = 0; done < length; done += PAGE_BYTES, filled += PAGE_BYTES) {
          into.set(pageOf((offset + done) / PAGE_BYTES, zeroEvery), filled);
        }
      }
      assert.ok(filled <= BATCH_BYTES_MAX);
      await Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** Keeps what is written in order, late, so that a buffer that is used too early shows. */
class LateFile {
  readonly parts: Bytes[] = [];
  endOffset = 0;

  asHandle(): FileHandle {
    const refuse = (): Promise<never> => Promise.reject(new SystemError('EIO', 'test', 'file'));
    return {
      write: async (bytes: Bytes, offset: number) => {
        assert.equal(offset, this.endOffset, 'pages lie back to back');
        this.endOffset += bytes.byteLength;
        await new Promise(setImmediate);
        this.parts.push(bytes.slice());
      },
      read: refuse,
      readBatch: (_extents: readonly Extent[]) => refuse(),
      writeBatch: refuse,
      truncate: refuse,
      sync: refuse,
      stat: refuse,
      close: () => Promise.resolve(),
    };
  }
}

test('what is not zero is in the file, in order; what is zero is only named', async () => {
  const gap = fc.integer({ min: 1, max: 3 });
  const length = fc.integer({ min: 1, max: 1500 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(gap, length), { maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 0, max: 9000 }),
      async (shape, zeroEvery, expected) => {
        let next = 0;
        const dirty = PageRuns.of(
          shape.map(([skipped, count]) => {
            const firstPage = next + skipped;
            next = firstPage + count;
            return { firstPage, count };
          }),
        );
        const pages = [...dirty].flatMap(({ firstPage, count }) =>
          Array.from({ length: count }, (_, index) => firstPage + index),
        );
        const file = new LateFile();
        const { runs, zeroRuns } = await copyAll(dirty, ramOf(zeroEvery), file.asHandle(), expected);
        const kept = pages.filter((page) => page % zeroEvery !== 0);
        assert.deepEqual(pagesOf(runs), kept);
        assert.deepEqual(
          pagesOf(zeroRuns),
          pages.filter((page) => page % zeroEvery === 0),
        );
        const bytes = concat(kept.map((page) => pageOf(page, zeroEvery)));
        assert.ok(compute.isEqual(concat(file.parts), bytes));
      },
    ),
    { numRuns: 30 },
  );
});

test('what memory can hold is not written before the guest goes on', async () => {
  const file = new LateFile();
  const copy = new PageCopy(compute, file.asHandle(), 0);
  const pages = HELD_BATCHES_MAX * (BATCH_BYTES_MAX / PAGE_BYTES);
  await copy.read(PageRuns.of([{ firstPage: 0, count: pages }]), ramOf(3));
  assert.equal(file.endOffset, 0);
  await copy.finish();
  assert.equal(file.endOffset, Math.floor((pages * 2) / 3) * PAGE_BYTES);
});

describe('a write that fails', () => {
  const handle: FileHandle = {
    ...new LateFile().asHandle(),
    write: () => Promise.reject(new SystemError('ENOSPC', 'write', 'pages')),
  };

  test('fails the reading when there is more than memory holds', async () => {
    const copy = new PageCopy(compute, handle, 0);
    const dirty = PageRuns.of([{ firstPage: 0, count: 9000 }]);
    await assert.rejects(copy.read(dirty, ramOf(7)), { errno: 'ENOSPC' });
  });

  test('fails the end otherwise', async () => {
    const dirty = PageRuns.of([{ firstPage: 0, count: 3000 }]);
    await assert.rejects(copyAll(dirty, ramOf(7), handle, 3000), { errno: 'ENOSPC' });
  });
});

async function copyAll(
  dirty: PageRuns,
  ram: GuestRam,
  target: FileHandle,
  pagesExpected: number,
): Promise<CopiedPages> {
  const copy = new PageCopy(compute, target, pagesExpected);
  await copy.read(dirty, ram);
  return copy.finish();
}

function pagesOf(runs: PageRuns): readonly number[] {
  return [...runs].flatMap(({ firstPage, count }) =>
    Array.from({ length: count }, (_, index) => firstPage + index),
  );
}
