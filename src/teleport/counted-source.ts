/** Tells how much of a blob's source has been read. */
import { PAGE_BYTES } from '../base/units.ts';
import type { Bytes } from '../base/bytes.ts';
import type { BlobPages, BlobSource, BlobVersion } from '../snapshot/blob/contents.ts';

export interface CountedSource extends BlobSource {
  /** Read so far; grows while the source is read. */
  readonly doneBytes: number;
  /** Of everything that will be read. */
  readonly payloadBytes: number;
}

/** @param version what the source is read for: version 1 has no disks. */
export function countedSource(source: BlobSource, version: BlobVersion): CountedSource {
  const volumes = version === 1 ? [source.memory] : [source.memory, ...source.disks];
  const pages = volumes.reduce((sum, { runs }) => sum + runs.pages, 0);
  let doneBytes = 0;
  async function* count(bytes: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void> {
    for await (const chunk of bytes) {
      doneBytes += chunk.byteLength;
      yield chunk;
    }
  }
  const counted = (volume: BlobPages): BlobPages => ({ ...volume, pages: () => count(volume.pages()) });
  const { deviceState } = source;
  return {
    metadata: source.metadata,
    deviceState: { ...deviceState, bytes: () => count(deviceState.bytes()) },
    memory: counted(source.memory),
    disks: source.disks.map(counted),
    payloadBytes: deviceState.sizeBytes + pages * PAGE_BYTES,
    get doneBytes() {
      return doneBytes;
    },
  };
}
