/** Frames compressed on their way, several at once and in their order. */
import { defined } from '../../base/assert.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { encodeFrameHead, framesOf, pagesOf } from './frames.ts';
import type { ByteReader } from '../../base/byte-reader.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Compute, PackedFrame } from '../../env/compute.ts';
import type { PageRun, PageRuns } from '../page-runs.ts';

interface Packing {
  readonly frame: readonly PageRun[];
  readonly packed: Promise<PackedFrame>;
}

/** @param reader gives the pages of `runs`. */
export async function* packedFrames(
  runs: PageRuns,
  reader: ByteReader,
  compute: Pick<Compute, 'packFrame' | 'framesAtOnce'>,
): AsyncGenerator<Bytes, void> {
  const line: Packing[] = [];
  try {
    for (const frame of framesOf(runs)) {
      if (line.length === compute.framesAtOnce) yield* await finished(line);
      const raw = new Uint8Array(pagesOf(frame) * PAGE_BYTES);
      await reader.readInto(raw);
      const packed = compute.packFrame(raw, null);
      // Told when its turn comes; until then it must not count as unhandled.
      packed.catch(() => undefined);
      line.push({ frame, packed });
    }
    while (line.length > 0) yield* await finished(line);
  } finally {
    await Promise.allSettled(line.map(({ packed }) => packed));
  }
}

/** The frame that was begun first. */
async function finished(line: Packing[]): Promise<readonly Bytes[]> {
  const { frame, packed } = defined(line.shift(), 'a frame that is being packed');
  const { bytes } = await packed;
  return [encodeFrameHead(frame, bytes.byteLength), bytes];
}
