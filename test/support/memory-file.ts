import assert from 'node:assert/strict';
import type { Bytes } from '../../src/base/bytes.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../../src/env/files.ts';
import type { Extent, FileHandle, FileStat } from '../../src/env/files.ts';

/** A file of a fixed size in this process's memory. It counts, and remembers what was durable. */
export class MemoryFile implements FileHandle {
  readonly bytes: Bytes;
  writes = 0;
  /** Runs before each batch that is written; what it throws, the disk says. */
  onWrite: (() => void) | null = null;
  #durable: Bytes | null = null;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  /** As they were at the last sync. */
  get durable(): Bytes {
    return this.#durable ?? new Uint8Array(this.bytes.byteLength);
  }

  async read(into: Bytes, offset: number): Promise<number> {
    const part = this.bytes.subarray(offset, offset + into.byteLength);
    into.set(part);
    return part.byteLength;
  }

  async write(bytes: Bytes, offset: number): Promise<void> {
    await this.writeBatch([{ offset, length: bytes.byteLength }], bytes);
  }

  async readBatch(extents: readonly Extent[], into: Bytes): Promise<void> {
    let start = 0;
    for (const { offset, length } of extents) {
      into.set(this.bytes.subarray(offset, offset + length), start);
      start += length;
    }
  }

  async writeBatch(extents: readonly Extent[], from: Bytes): Promise<void> {
    assert.ok(extents.length <= BATCH_EXTENTS_MAX);
    this.onWrite?.();
    this.writes += 1;
    let start = 0;
    for (const { offset, length } of extents) {
      assert.ok(offset + length <= this.bytes.byteLength, 'nothing is written beyond the end');
      this.bytes.set(from.subarray(start, start + length), offset);
      start += length;
    }
    assert.ok(start <= Math.min(BATCH_BYTES_MAX, from.byteLength));
  }

  async truncate(sizeBytes: number): Promise<void> {
    assert.equal(sizeBytes, this.bytes.byteLength, 'this file has a fixed size');
  }

  async sync(): Promise<void> {
    this.#durable = this.bytes.slice();
  }

  async stat(): Promise<FileStat> {
    const sizeBytes = this.bytes.byteLength;
    return {
      kind: 'file',
      sizeBytes,
      allocatedBytes: sizeBytes,
      mode: 0o600,
      uid: 0,
      gid: 0,
      modifiedMs: 0,
      inode: 'memory',
      links: 1,
    };
  }

  async close(): Promise<void> {}
}
