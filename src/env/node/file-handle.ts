import { readSync, writeSync } from 'node:fs';
import { assert } from '../../base/assert.ts';
import { SystemError } from '../system-error.ts';
import { fileStat } from './file-stat.ts';
import { attempt, toSystemError } from './system-errors.ts';
import { transferAll } from './transfer.ts';
import type { FileHandle as NodeHandle } from 'node:fs/promises';
import type { Bytes } from '../../base/bytes.ts';
import type { Extent, FileHandle, FileStat } from '../files.ts';
import { BATCH_BYTES_MAX, BATCH_EXTENTS_MAX } from '../files.ts';

export class NodeFileHandle implements FileHandle {
  private readonly handle: NodeHandle;
  readonly path: string;
  private closing: Promise<void> | null = null;
  private readonly lent = new Set<Promise<unknown>>();

  constructor(handle: NodeHandle, path: string) {
    this.handle = handle;
    this.path = path;
  }

  async read(into: Bytes, offset: number): Promise<number> {
    return await attempt('read', this.path, async () => {
      const { bytesRead } = await this.handle.read(into, 0, into.byteLength, offset);
      return bytesRead;
    });
  }

  async write(bytes: Bytes, offset: number): Promise<void> {
    await attempt('write', this.path, async () => {
      // A write may be partial (a signal, nearly no space): the rest follows, or says why not.
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.byteLength - done, offset + done);
        done += bytesWritten;
      }
    });
  }

  async readBatch(extents: readonly Extent[], into: Bytes): Promise<void> {
    await attempt('read', this.path, async () => this.transfer('read', extents, into));
  }

  async writeBatch(extents: readonly Extent[], from: Bytes): Promise<void> {
    await attempt('write', this.path, async () => this.transfer('write', extents, from));
  }

  private transfer(act: 'read' | 'write', extents: readonly Extent[], bytes: Bytes): void {
    assert(extents.length <= BATCH_EXTENTS_MAX, 'a batch has a bounded number of extents');
    const total = extents.reduce((sum, extent) => sum + extent.length, 0);
    assert(total <= BATCH_BYTES_MAX && total <= bytes.byteLength, 'a batch fits its bound and its buffer');
    const call = act === 'read' ? readSync : writeSync;
    let start = 0;
    for (const { length, offset } of extents) {
      if (!transferAll(call, this.handle.fd, bytes, { start, length, offset }))
        throw new SystemError('EIO', act, this.path);
      start += length;
    }
  }

  /** Lends the descriptor to other threads: `close` waits for `use`, since the system gives the number to the next file at once. */
  async lend<T>(use: (fd: number) => Promise<T>): Promise<T> {
    const using = use(this.handle.fd);
    this.lent.add(using);
    try {
      return await using;
    } finally {
      this.lent.delete(using);
    }
  }

  async truncate(sizeBytes: number): Promise<void> {
    await attempt('truncate', this.path, async () => await this.handle.truncate(sizeBytes));
  }

  async sync(): Promise<void> {
    await attempt('sync', this.path, async () => await this.handle.sync());
  }

  async stat(): Promise<FileStat> {
    return await attempt('stat', this.path, async () => fileStat(await this.handle.stat({ bigint: true })));
  }

  async close(): Promise<void> {
    this.closing ??= Promise.allSettled(this.lent).then(async () => await this.handle.close());
    try {
      await this.closing;
    } catch (error) {
      throw toSystemError(error, 'close', this.path);
    }
  }
}
