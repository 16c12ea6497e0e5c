/**
 * The guest's memory as files: whole, or the pages that were written since the snapshot before. Read from the process itself, as
 * Firecracker has it: byte n of the file is the guest's byte n.
 *
 * With dirty tracking a page is in a diff when it was written since the snapshot before, or since the start, and differs from
 * what it was. Without, when it was written since the start: more than needed, as with Firecracker's `mincore`.
 */
import { constants, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { DirtyPageScanner } from '../../src/vm/qemu/dirty-pages.ts';

const CHUNK_BYTES = 4 * MIB;
/** What is all zero stays a hole, in pieces of this size. */
const HOLE_BYTES = 64 * 1024;
const zeros = Buffer.alloc(HOLE_BYTES);

export class GuestMemory {
  readonly #pid: number;
  readonly #address: number;
  readonly #sizeBytes: number;
  readonly #isTracked: boolean;
  /** By page, the sum of its bytes at the last snapshot plus one; 0: it was not written by then. */
  readonly #sums: Float64Array;

  constructor(pid: number, address: number, sizeBytes: number, isTracked: boolean) {
    this.#pid = pid;
    this.#address = address;
    this.#sizeBytes = sizeBytes;
    this.#isTracked = isTracked;
    this.#sums = new Float64Array(isTracked ? sizeBytes / PAGE_BYTES : 0);
  }

  /** Every byte. @throws Error of the system. */
  async saveFull(path: string): Promise<void> {
    if (this.#isTracked) await this.#eachWrittenPage((page, bytes) => this.#remember(page, bytes));
    await this.#withFiles(path, async (memory, file, isEmpty) => {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      for (let offset = 0; offset < this.#sizeBytes; offset += CHUNK_BYTES) {
        const length = Math.min(CHUNK_BYTES, this.#sizeBytes - offset);
        await readFully(memory, chunk, length, this.#address + offset);
        if (isEmpty) await writeNonZero(file, chunk.subarray(0, length), offset);
        else await file.write(chunk, 0, length, offset);
      }
    });
  }

  /** Only pages of the diff, which are zero where the guest cleared them; the rest of a new file are holes. @throws Error of the system. */
  async saveDiff(path: string): Promise<void> {
    await this.#withFiles(path, async (_, file) => {
      await this.#eachWrittenPage(async (page, bytes) => {
        if (!this.#isTracked || this.#remember(page, bytes)) {
          await file.write(bytes, 0, bytes.byteLength, page * PAGE_BYTES);
        }
      });
    });
  }

  /** @returns whether the page differs from the last snapshot's. */
  #remember(page: number, bytes: Buffer): boolean {
    const sum = crc32(bytes) + 1;
    const isChanged = this.#sums[page] !== sum;
    this.#sums[page] = sum;
    return isChanged;
  }

  /** Pages that the process has of its own: written since the memory was mapped. */
  async #eachWrittenPage(visit: (page: number, bytes: Buffer) => unknown): Promise<void> {
    const pageCount = this.#sizeBytes / PAGE_BYTES;
    const scanner = await DirtyPageScanner.open(createNodeEnv(), this.#pid, this.#address, pageCount);
    const memory = await open(`/proc/${this.#pid}/mem`, 'r');
    const chunk = Buffer.alloc(CHUNK_BYTES);
    try {
      const runs = await scanner.scan();
      for (let run = 0; run < runs.length; run += 1) {
        const first = runs.firstPage(run);
        const bytesOfRun = runs.count(run) * PAGE_BYTES;
        for (let at = 0; at < bytesOfRun; at += CHUNK_BYTES) {
          const length = Math.min(CHUNK_BYTES, bytesOfRun - at);
          await readFully(memory, chunk, length, this.#address + first * PAGE_BYTES + at);
          for (let page = 0; page < length; page += PAGE_BYTES) {
            await visit(first + (at + page) / PAGE_BYTES, chunk.subarray(page, page + PAGE_BYTES));
          }
        }
      }
    } finally {
      await memory.close();
      await scanner.close();
    }
  }

  /**
   * As Firecracker, a file of the memory's size that is there is written over and not truncated: it may be the one that the memory is
   * mapped from, and a diff goes into it.
   */
  async #withFiles(
    path: string,
    work: (memory: FileHandle, file: FileHandle, isEmpty: boolean) => Promise<void>,
  ): Promise<void> {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT);
    try {
      const isEmpty = (await file.stat()).size !== this.#sizeBytes;
      if (isEmpty) {
        await file.truncate(0);
        await file.truncate(this.#sizeBytes);
      }
      const memory = await open(`/proc/${this.#pid}/mem`, 'r');
      try {
        await work(memory, file, isEmpty);
      } finally {
        await memory.close();
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

async function readFully(file: FileHandle, into: Buffer, length: number, position: number): Promise<void> {
  for (let at = 0; at < length;) {
    const { bytesRead } = await file.read(into, at, length - at, position + at);
    if (bytesRead === 0) throw new Error('the process of the guest has ended');
    at += bytesRead;
  }
}

async function writeNonZero(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += HOLE_BYTES) {
    const piece = bytes.subarray(at, at + HOLE_BYTES);
    if (!piece.equals(zeros.subarray(0, piece.byteLength))) {
      await file.write(piece, 0, piece.byteLength, position + at);
    }
  }
}
