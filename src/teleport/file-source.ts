import { chunksOf } from '../env/file-chunks.ts';
import type { Files } from '../env/files.ts';
import type { ByteSource } from '../store/teleport-storage.ts';

/** A file of this host as bytes that are read once. @param sizeBytes how long it should be; whoever reads it finds out. */
export function fileSource(files: Files, path: string, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    async *bytes() {
      yield* chunksOf(await files.open(path, 'r'));
    },
  };
}
