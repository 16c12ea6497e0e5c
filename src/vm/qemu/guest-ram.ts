/** Reading a stopped guest's RAM from outside. */
import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { Extent, FileHandle } from '../../env/files.ts';
import { BATCH_BYTES_MAX } from '../../env/files.ts';
import { PHYSICAL_SPAN_BYTES_MAX } from './limits.ts';
import type { QmpClient } from './qmp-client.ts';
import { savePhysicalMemory } from './qmp-commands.ts';
import { physicalPieces } from './ram-layout.ts';
import type { RamSegment } from './ram-layout.ts';

export interface GuestRam {
  /** Reads extents, which are ascending offsets into RAM, back to back into `into`; bounded as `FileHandle.readBatch`. */
  read(extents: readonly Extent[], into: Bytes): Promise<void>;
  close(): Promise<void>;
}

/** RAM as QEMU's own memory: a copy, no more. */
export class ProcessRam implements GuestRam {
  readonly #memory: FileHandle;
  readonly #address: number;

  private constructor(memory: FileHandle, address: number) {
    this.#memory = memory;
    this.#address = address;
  }

  /**
   * @param address where the process maps the RAM.
   * @throws SystemError `EACCES` or `EPERM` where only ancestors may read a process's memory (Yama) and we are none.
   */
  static async open(env: Env, pid: number, address: number): Promise<ProcessRam> {
    return new ProcessRam(await env.files.open(`/proc/${pid}/mem`, 'r'), address);
  }

  async read(extents: readonly Extent[], into: Bytes): Promise<void> {
    await this.#memory.readBatch(
      extents.map(({ offset, length }) => ({ offset: this.#address + offset, length })),
      into,
    );
  }

  async close(): Promise<void> {
    await this.#memory.close();
  }
}

/**
 * RAM as QEMU writes it to a file when asked: for hosts where a process's memory is refused. Reads through the guest's
 * address space, so it is exact for layouts in which nothing hides RAM once the firmware is done (no SMM; the legacy area
 * below 1 MiB is shadowed in RAM).
 */
export class PhysicalRam implements GuestRam {
  readonly #env: Env;
  readonly #qmp: QmpClient;
  readonly #layout: readonly RamSegment[];
  readonly #scratchPath: string;

  /** @param scratchPath a file that QEMU may write; it does not exist afterwards. */
  constructor(env: Env, qmp: QmpClient, layout: readonly RamSegment[], scratchPath: string) {
    this.#env = env;
    this.#qmp = qmp;
    this.#layout = layout;
    this.#scratchPath = scratchPath;
  }

  async read(extents: readonly Extent[], into: Bytes): Promise<void> {
    let filled = 0;
    for (const span of spans(extents)) {
      for (const piece of physicalPieces(this.#layout, span.start, span.end - span.start)) {
        const parts = clip(span.extents, piece);
        const length = parts.reduce((sum, part) => sum + part.length, 0);
        await savePhysicalMemory(this.#qmp, piece.address, piece.length, this.#scratchPath);
        await this.#readScratch(parts, piece.offset, into.subarray(filled, filled + length));
        filled += length;
      }
    }
    assert(filled <= BATCH_BYTES_MAX, 'a batch is bounded');
  }

  async close(): Promise<void> {
    await this.#env.files.removeTree(this.#scratchPath);
  }

  async #readScratch(parts: readonly Extent[], start: number, into: Bytes): Promise<void> {
    const scratch = await this.#env.files.open(this.#scratchPath, 'r');
    try {
      await scratch.readBatch(
        parts.map(({ offset, length }) => ({ offset: offset - start, length })),
        into,
      );
    } finally {
      await scratch.close();
    }
  }
}

interface Span {
  readonly start: number;
  end: number;
  readonly extents: Extent[];
}

/** Neighbours put together: one request to QEMU takes about a millisecond, whatever its length. */
function spans(extents: readonly Extent[]): readonly Span[] {
  const all: Span[] = [];
  for (const extent of extents) {
    const end = extent.offset + extent.length;
    const last = all.at(-1);
    if (last !== undefined && end - last.start <= PHYSICAL_SPAN_BYTES_MAX) {
      last.end = end;
      last.extents.push(extent);
    } else {
      all.push({ start: extent.offset, end, extents: [extent] });
    }
  }
  return all;
}

/** The parts of the extents that lie in a segment. */
function clip(extents: readonly Extent[], segment: RamSegment): readonly Extent[] {
  const parts: Extent[] = [];
  for (const extent of extents) {
    const start = Math.max(extent.offset, segment.offset);
    const end = Math.min(extent.offset + extent.length, segment.offset + segment.length);
    if (start < end) parts.push({ offset: start, length: end - start });
  }
  return parts;
}
