import { PAGE_BYTES } from '../../base/units.ts';
import type { TransferOptions } from '../teleport-storage.ts';

/** Tells how far each item of a publish is. */
export class UploadProgress {
  readonly #onProgress: TransferOptions['onProgress'];
  readonly #movedBytes: () => number;

  /** @param movedBytes that are durable in the store so far. */
  constructor(onProgress: TransferOptions['onProgress'], movedBytes: () => number) {
    this.#onProgress = onProgress;
    this.#movedBytes = movedBytes;
  }

  tell(item: string, doneBytes: number, totalBytes: number): void {
    this.#onProgress?.({ item, doneBytes, totalBytes, movedBytes: this.#movedBytes() });
  }

  /** For pages that come by and by; those that need not be sent are done at once. */
  ofPages(item: string, totalPages: number, donePages: number): (pages: number) => void {
    let done = donePages;
    const tell = (pages: number): void => {
      done += pages;
      this.tell(item, done * PAGE_BYTES, totalPages * PAGE_BYTES);
    };
    tell(0);
    return tell;
  }
}
