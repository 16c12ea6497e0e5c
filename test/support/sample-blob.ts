/** Small snapshot blobs, and what became of one: for tests of the codec and of those who use it. */
import assert from 'node:assert/strict';
import { concat } from '../../src/base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { readBlob } from '../../src/snapshot/blob/read-blob.ts';
import { encodeBlob, encodeBlobWithoutDisks } from '../../src/snapshot/blob/write-blob.ts';
import { PageRuns } from '../../src/snapshot/page-runs.ts';
import { collect } from './collect.ts';
import { patternBytes, sampleMetadata, streamOf } from './sample-package.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Compute } from '../../src/env/compute.ts';
import type {
  BlobContents,
  BlobPages,
  BlobSink,
  BlobSource,
  BlobVersion,
} from '../../src/snapshot/blob/contents.ts';
import type { BlobCodec } from '../../src/snapshot/blob/header.ts';
import type { PageBatch } from '../../src/snapshot/page-reader.ts';

export const compute: Compute = createNodeEnv().compute;

/** Of the memory and of the disk of a small blob: 1 MiB, the least that metadata can say. */
export const SMALL_PAGES: number = MIB / PAGE_BYTES;

export interface SampleParts {
  readonly deviceState: Bytes;
  /** Pages that are there, ascending. */
  readonly memory: readonly number[];
  readonly disk: readonly number[];
}

export const smallParts: SampleParts = { deviceState: patternBytes(37, 1), memory: [3, 4], disk: [255] };

/** @param step length of the chunks that the source gives. */
export function sampleSource(parts: SampleParts = smallParts, step = 5000): BlobSource {
  const { config } = sampleMetadata;
  return {
    metadata: { ...sampleMetadata, config: { ...config, memoryMib: 1, diskMib: 1 } },
    deviceState: {
      sizeBytes: parts.deviceState.byteLength,
      bytes: () => streamOf(parts.deviceState, step),
    },
    memory: sparse(parts.memory, 2, step),
    disks: [sparse(parts.disk, 3, step)],
  };
}

function sparse(pages: readonly number[], seed: number, step: number): BlobPages {
  const runs = PageRuns.of(pages.map((firstPage) => ({ firstPage, count: 1 })));
  const bytes = patternBytes(runs.pages * PAGE_BYTES, seed);
  // Every third page shrinks when it is packed.
  for (let page = 0; page < runs.pages; page += 3)
    bytes.fill(seed, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  return { sizeBytes: MIB, runs, pages: () => streamOf(bytes, step) };
}

export async function sampleBlob(
  version: BlobVersion,
  source: BlobSource = sampleSource(),
  codec: BlobCodec = 'stored',
): Promise<Bytes> {
  const chunks = version === 1 ? encodeBlobWithoutDisks(source) : encodeBlob(source, codec, compute);
  const copies: Bytes[] = [];
  for await (const chunk of chunks) copies.push(chunk.slice());
  return concat(copies);
}

/** Everything that a blob gave, laid out as it would be on a host. */
export class SampleSink implements BlobSink {
  contents: BlobContents | null = null;
  deviceStateBytes: Bytes = new Uint8Array(0);
  memoryBytes: Bytes = new Uint8Array(0);
  diskBytes: Bytes = new Uint8Array(0);
  /** Pages that came. */
  pages = 0;

  async begin(contents: BlobContents): Promise<void> {
    assert.equal(this.contents, null, 'begun once');
    this.contents = contents;
    this.memoryBytes = new Uint8Array(contents.memory.sizeBytes);
    this.diskBytes = new Uint8Array(contents.disks[0]?.sizeBytes ?? 0);
    return Promise.resolve();
  }

  async deviceState(bytes: Bytes): Promise<void> {
    this.deviceStateBytes = concat([this.deviceStateBytes, bytes]);
    return Promise.resolve();
  }

  async memory(batch: PageBatch): Promise<void> {
    return this.#put(batch, this.memoryBytes);
  }

  async disk(index: number, batch: PageBatch): Promise<void> {
    assert.equal(index, 0);
    return this.#put(batch, this.diskBytes);
  }

  async #put({ extents, bytes }: PageBatch, into: Bytes): Promise<void> {
    let taken = 0;
    for (const { offset, length } of extents) {
      assert.ok(offset % PAGE_BYTES === 0 && length % PAGE_BYTES === 0 && length > 0, 'whole pages');
      into.set(bytes.subarray(taken, taken + length), offset);
      taken += length;
    }
    assert.equal(taken, bytes.byteLength, 'the bytes of all extents, and no others');
    this.pages += taken / PAGE_BYTES;
    return Promise.resolve();
  }
}

/** @param step length of the chunks that the reader is given. */
export async function readSample(blob: Bytes, step = 50_000): Promise<SampleSink> {
  const sink = new SampleSink();
  assert.equal(await readBlob(streamOf(blob, step), sink, compute), sink.contents);
  return sink;
}

/** Reads a blob and keeps nothing. */
export async function skimSample(blob: Bytes): Promise<void> {
  const nothing = async (): Promise<void> => Promise.resolve();
  const sink = { begin: nothing, deviceState: nothing, memory: nothing, disk: nothing };
  await readBlob(streamOf(blob, blob.byteLength), sink, compute);
}

/** The whole of a memory or disk. */
export async function inFull(volume: BlobPages): Promise<Bytes> {
  const full = new Uint8Array(volume.sizeBytes);
  const bytes = concat(await collect(volume.pages()));
  let taken = 0;
  for (const { firstPage, count } of volume.runs) {
    full.set(bytes.subarray(taken, taken + count * PAGE_BYTES), firstPage * PAGE_BYTES);
    taken += count * PAGE_BYTES;
  }
  return full;
}
