import type { Clock } from '../../env/clock.ts';
import type { FileHandle } from '../../env/files.ts';
import type { FetchJournal } from '../teleport-storage.ts';
import { FETCH_CHECKPOINT_MS } from './limits.ts';

/** Makes durable what a download has written, every `FETCH_CHECKPOINT_MS`, and then tells the journal: a fast download never waits for a disk. */
export class FetchCheckpoints {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #target: FileHandle;
  readonly #journal: FetchJournal;
  #written: number[] = [];
  #lastMs: number;
  #isBusy = false;

  constructor(clock: Pick<Clock, 'monotonicMs'>, target: FileHandle, journal: FetchJournal) {
    this.#clock = clock;
    this.#target = target;
    this.#journal = journal;
    this.#lastMs = clock.monotonicMs();
  }

  /** All pages of a frame are in the target. @throws what the disk or the journal throws. */
  async wrote(frame: number): Promise<void> {
    this.#written.push(frame);
    if (this.#isBusy || this.#clock.monotonicMs() - this.#lastMs < FETCH_CHECKPOINT_MS) return;
    this.#isBusy = true;
    try {
      await this.#keep();
    } finally {
      this.#isBusy = false;
      this.#lastMs = this.#clock.monotonicMs();
    }
  }

  /** For a download that has failed, when nothing is written any more: its own failure is what matters, so one of this is not told. */
  async keepWhatThereIs(): Promise<void> {
    await Promise.allSettled([this.#keep()]);
  }

  async #keep(): Promise<void> {
    const frames = this.#written;
    if (frames.length === 0) return;
    this.#written = [];
    await this.#target.sync();
    await this.#journal.done(frames);
  }
}
