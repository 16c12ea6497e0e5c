import { defined } from '../../base/assert.ts';
import { packText } from './pack-name.ts';
import type { FrameInfo, StoreMap } from './store-map.ts';

/**
 * Frames that a package may refer to instead of sending their pages, as this host remembers them. What it remembers came with packages that
 * others wrote, so two of them may contradict each other; then neither is believed.
 */
export class FrameCandidates {
  readonly #frames: FrameInfo[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #doubtful = new Set<string>();

  /** An index is of the same frame for ever. */
  get frames(): readonly FrameInfo[] {
    return this.#frames;
  }

  /** How long each pack is at least, by `packText`. */
  leastLengths(): ReadonlyMap<string, number> {
    const lengths = new Map<string, number>();
    for (const { pack, offset, storedBytes } of this.#frames) {
      const name = packText(pack);
      lengths.set(name, Math.max(lengths.get(name) ?? 0, offset + storedBytes));
    }
    return lengths;
  }

  /** @returns the index here of each of the map's frames. */
  addAll(map: StoreMap): Uint32Array {
    return Uint32Array.from(map.frames, (frame) => this.#add(frame));
  }

  /** True when all that is known of a pack fits together, and fits its length. */
  isSound(pack: string, frames: readonly number[], lengthBytes: number): boolean {
    if (this.#doubtful.has(pack)) return false;
    const inOrder = frames.map((index) => this.#at(index)).toSorted((a, b) => a.number - b.number);
    let end = 0;
    for (const { offset, storedBytes } of inOrder) {
      if (offset < end) return false;
      end = offset + storedBytes;
    }
    return end <= lengthBytes;
  }

  #add(frame: FrameInfo): number {
    const pack = packText(frame.pack);
    const place = `${pack}/${frame.number}`;
    const known = this.#indexes.get(place);
    if (known === undefined) {
      this.#indexes.set(place, this.#frames.length);
      this.#frames.push(frame);
      return this.#frames.length - 1;
    }
    if (!isSame(frame, this.#at(known))) this.#doubtful.add(pack);
    return known;
  }

  #at(index: number): FrameInfo {
    return defined(this.#frames[index], 'a candidate');
  }
}

function isSame(a: FrameInfo, b: FrameInfo): boolean {
  return (
    a.offset === b.offset &&
    a.storedBytes === b.storedBytes &&
    a.rawBytes === b.rawBytes &&
    a.codec === b.codec &&
    a.sha256 === b.sha256
  );
}
