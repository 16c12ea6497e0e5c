/** Which older packs a package refers to: those that are there, are what this host remembers, and of which it uses enough. */
import { defined } from '../../base/assert.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { at } from '../../snapshot/mapped-runs.ts';
import type { FrameCandidates } from './frame-candidates.ts';
import { FRAME_PAGES, PACKS_SPARE_MAX, PACK_FRAMES_MAX, PACK_USE_MIN } from './limits.ts';
import { packText } from './pack-name.ts';
import { NO_FRAME } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';

interface PackUse {
  readonly pack: string;
  /** Indexes of the candidates that are in it, used or not. */
  readonly frames: number[];
  usedPages: number;
  /** Stored bytes of what is used, in parts of frames. */
  usedBytes: number;
}

/**
 * @param kept length of each pack that is there, by `packText`.
 * @returns for each candidate 1 when it may be referred to.
 */
export function chooseFrames(
  candidates: FrameCandidates,
  plans: readonly PagePlan[],
  kept: ReadonlyMap<string, number>,
): Uint8Array {
  const isChosen = new Uint8Array(candidates.frames.length);
  const uses = usesOf(candidates, countPages(candidates, plans)).filter(({ pack, frames, usedBytes }) => {
    const lengthBytes = kept.get(pack);
    if (lengthBytes === undefined || usedBytes < PACK_USE_MIN * lengthBytes || usedBytes === 0) return false;
    return candidates.isSound(pack, frames, lengthBytes);
  });
  const pages = uses.reduce((sum, { usedPages }) => sum + usedPages, 0);
  // So that a VM with a long history is not read from a thousand places: four times as many as if it lay side by side, and a few.
  const packsMax = PACKS_SPARE_MAX + Math.ceil(pages / (FRAME_PAGES * PACK_FRAMES_MAX) / PACK_USE_MIN);
  const chosen = uses.toSorted((a, b) => b.usedPages - a.usedPages).slice(0, packsMax);
  for (const { frames } of chosen) for (const index of frames) isChosen[index] = 1;
  return isChosen;
}

/** `plan` without the frames that were not chosen: their pages are sent again. */
export function withoutFrames(plan: PagePlan, isChosen: Uint8Array): PagePlan {
  const frame = plan.columns.frame.map((index) =>
    index !== NO_FRAME && isChosen[index] === 1 ? index : NO_FRAME,
  );
  return { ...plan, columns: { ...plan.columns, frame } };
}

/** How many pages of each candidate are used; one that is used twice counts twice. */
function countPages(candidates: FrameCandidates, plans: readonly PagePlan[]): Uint32Array {
  const pages = new Uint32Array(candidates.frames.length);
  for (const { columns } of plans) {
    for (let index = 0; index < columns.frame.length; index += 1) {
      const frame = at(columns.frame, index);
      if (frame !== NO_FRAME) pages[frame] = at(pages, frame) + at(columns.count, index);
    }
  }
  return pages;
}

function usesOf(candidates: FrameCandidates, usedPages: Uint32Array): readonly PackUse[] {
  const uses = new Map<string, PackUse>();
  for (const [index, { pack, storedBytes, rawBytes }] of candidates.frames.entries()) {
    const name = packText(pack);
    const use = uses.get(name) ?? { pack: name, frames: [], usedPages: 0, usedBytes: 0 };
    uses.set(name, use);
    const pages = Math.min(defined(usedPages[index], 'the use of a frame'), rawBytes / PAGE_BYTES);
    use.frames.push(index);
    use.usedPages += pages;
    use.usedBytes += (storedBytes * pages * PAGE_BYTES) / rawBytes;
  }
  return [...uses.values()];
}
