/** What a build tells while it runs. */
import { PROGRESS_INTERVAL_MS } from '../limits.ts';
import type { Clock } from '../../env/clock.ts';

/** In this order. */
export type ImageBuildPhase =
  'agent' | 'lists' | 'resolve' | 'download' | 'kernel' | 'rootfs' | 'data' | 'seal';

export interface ImageBuildProgress {
  readonly phase: ImageBuildPhase;
  readonly doneBytes: number;
  /** 0 where it is not known. */
  readonly totalBytes: number;
}

export type OnImageBuildProgress = (progress: ImageBuildProgress) => void;

/** Tells each phase's begin and end, and in between not more often than `PROGRESS_INTERVAL_MS`. */
export class BuildProgress {
  readonly #clock: Clock;
  readonly #onProgress: OnImageBuildProgress;
  #phase: ImageBuildPhase | null = null;
  #toldMs = 0;

  constructor(clock: Clock, onProgress: OnImageBuildProgress) {
    this.#clock = clock;
    this.#onProgress = onProgress;
  }

  tell(phase: ImageBuildPhase, doneBytes = 0, totalBytes = 0): void {
    const nowMs = this.#clock.monotonicMs();
    const isDue = nowMs - this.#toldMs >= PROGRESS_INTERVAL_MS;
    if (phase === this.#phase && !isDue && doneBytes !== totalBytes) return;
    this.#phase = phase;
    this.#toldMs = nowMs;
    this.#onProgress({ phase, doneBytes, totalBytes });
  }
}
