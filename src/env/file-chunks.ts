import type { Bytes } from '../base/bytes.ts';
import type { FileHandle } from './files.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The bytes of a file from its start to its end, in order; closes the handle when it is done with or left.
 * @param allocate memory for a chunk, which is as long as that.
 */
export async function* chunksOf(
  handle: FileHandle,
  allocate: () => Bytes = () => new Uint8Array(CHUNK_BYTES),
): AsyncGenerator<Bytes, void> {
  try {
    let buffer = allocate();
    for (let offset = 0; ;) {
      const length = await handle.read(buffer, offset);
      if (length === 0) return;
      offset += length;
      // The reader may keep what it got: a whole buffer is its own, and a small part no reason to hold a large one.
      if (length < buffer.byteLength) yield buffer.slice(0, length);
      else {
        yield buffer;
        buffer = allocate();
      }
    }
  } finally {
    await handle.close();
  }
}
