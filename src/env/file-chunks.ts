import type { Bytes } from '../base/bytes.ts';
import type { FileHandle } from './files.ts';

const CHUNK_BYTES = 256 * 1024;

/** The bytes of a file from its start to its end, in order; closes the handle when it is done with or left. */
export async function* chunksOf(handle: FileHandle): AsyncGenerator<Bytes, void> {
  try {
    for (let offset = 0; ;) {
      // A fresh buffer each time: the reader may keep what it got.
      const buffer = new Uint8Array(CHUNK_BYTES);
      const length = await handle.read(buffer, offset);
      if (length === 0) return;
      offset += length;
      yield buffer.subarray(0, length);
    }
  } finally {
    await handle.close();
  }
}
