/**
 * What the parts of a first publish cost on this machine, one after the other on one thread: reading the pages, compressing, digesting.
 * Two cores can at best halve their sum: that is the limit which throughput is measured against.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { hash } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { PAGE_BYTES } from '../../src/base/units.ts';

const FRAME_BYTES = 1024 * 1024;
const CORES = 2;

export interface Parts {
  readonly readMs: number;
  readonly compressMs: number;
  readonly digestMs: number;
  /** Of all three, spread over two cores without any loss. */
  readonly limitMs: number;
}

export function measureParts(image: string): Parts {
  const frame = Buffer.alloc(FRAME_BYTES);
  // Frames of one to two reads: what a read brings must not overflow it.
  const pages = Buffer.alloc(2 * FRAME_BYTES);
  const zeros = Buffer.alloc(PAGE_BYTES);
  const parts = { readMs: 0, compressMs: 0, digestMs: 0 };
  const time = (part: keyof typeof parts, act: () => void): void => {
    const startedMs = performance.now();
    act();
    parts[part] += performance.now() - startedMs;
  };
  let filled = 0;
  const flush = (): void => {
    let packed = Buffer.alloc(0);
    time('compressMs', () => {
      packed = zstdCompressSync(pages.subarray(0, filled), {
        params: { [constants.ZSTD_c_compressionLevel]: 1 },
      });
    });
    time('digestMs', () => void hash('sha256', packed));
    filled = 0;
  };
  const file = openSync(image, 'r');
  for (let done = false; !done;) {
    let length = 0;
    time('readMs', () => {
      length = readSync(file, frame);
      for (let offset = 0; offset < length; offset += PAGE_BYTES) {
        const page = frame.subarray(offset, offset + PAGE_BYTES);
        if (page.compare(zeros) !== 0) filled += page.copy(pages, filled);
      }
    });
    done = length === 0;
    if (filled >= FRAME_BYTES || (done && filled > 0)) flush();
  }
  closeSync(file);
  return { ...parts, limitMs: (parts.readMs + parts.compressMs + parts.digestMs) / CORES };
}
