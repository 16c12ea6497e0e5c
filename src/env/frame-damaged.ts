/**
 * Why a frame cannot be used:
 * - `digest`: these are not the bytes that were written; fetched again, they may be.
 * - `seal`: the bytes are those that the digest names, but they were not sealed with this key for this place: the key is another one,
 *   or the frame was moved, or made by somebody without the key.
 * - `contents`: they are what was written, but not a frame of that many raw bytes.
 */
export type FrameDamage = 'digest' | 'seal' | 'contents';

const sentences: Readonly<Record<FrameDamage, string>> = {
  digest: 'its digest does not match',
  seal: 'it was not sealed with this key for this place',
  contents: 'it does not hold what it should',
};

/** A frame that was refused. Raised by `Compute` only, and translated by whoever knows which package it belongs to. */
export class FrameDamaged extends Error {
  readonly damage: FrameDamage;

  constructor(damage: FrameDamage, cause?: unknown) {
    super(`a frame is damaged: ${sentences[damage]}`, cause === undefined ? undefined : { cause });
    this.name = 'FrameDamaged';
    this.damage = damage;
  }
}
