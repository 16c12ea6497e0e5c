/** How far an import is: what has come of the blob's contents, whatever they took on their way. */
import { throwIfCanceled } from '../base/cancel.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { Bytes } from '../base/bytes.ts';
import type { BlobContents, BlobSink } from '../snapshot/blob/contents.ts';
import type { OperationOptions } from './source.ts';

export class ImportProgress {
  readonly #options: OperationOptions;
  #contents: BlobContents | null = null;
  #doneBytes = 0;

  constructor(options: OperationOptions) {
    this.#options = options;
  }

  /** The bytes of the blob, ended when the import is canceled. */
  async *read(bytes: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void> {
    const { signal } = this.#options;
    for await (const chunk of bytes) {
      throwIfCanceled(signal, 'the import');
      // Version 1 has its zeros, which no sink is given.
      if (this.#contents?.version === 1) this.#tell(chunk.byteLength);
      yield chunk;
    }
    throwIfCanceled(signal, 'the import');
  }

  /** The sink, and its calls are told. */
  watch(sink: BlobSink): BlobSink {
    const tell = (bytes: number): void => {
      if (this.#contents?.version === 2) this.#tell(bytes);
    };
    return {
      begin: async (contents) => {
        await sink.begin(contents);
        this.#contents = contents;
        this.#tell(0);
      },
      deviceState: async (bytes) => {
        await sink.deviceState(bytes);
        tell(bytes.byteLength);
      },
      memory: async (batch) => {
        await sink.memory(batch);
        tell(batch.bytes.byteLength);
      },
      disk: async (index, batch) => {
        await sink.disk(index, batch);
        tell(batch.bytes.byteLength);
      },
    };
  }

  #tell(bytes: number): void {
    if (this.#contents === null) return;
    const totalBytes = payloadBytes(this.#contents);
    this.#doneBytes += bytes;
    // A chunk may begin before the parts, or end after them.
    this.#options.listener.progress('import', undefined, Math.min(this.#doneBytes, totalBytes), totalBytes);
  }
}

/** What a blob carries, in bytes. */
function payloadBytes({ deviceStateBytes, memory, disks }: BlobContents): number {
  return [memory, ...disks].reduce(
    (sum, { pages, sizeBytes }) => sum + (pages === null ? sizeBytes : pages * PAGE_BYTES),
    deviceStateBytes,
  );
}
