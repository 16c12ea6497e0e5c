/** What a publish would send and what it would refer to, from what lies on this host alone, and from the store's hint about the image. */
import { throwIfCanceled } from '../../base/cancel.ts';
import type { Env } from '../../env/env.ts';
import { OpenPageFiles } from '../../snapshot/open-page-files.ts';
import type { ActOptions } from '../objects/object-store.ts';
import { chooseFrames } from './choose-packs.ts';
import { findEqualPages, withEqualPages } from './compare-pages.ts';
import type { LocalPages, PackageSource } from '../teleport-storage.ts';
import { FrameCandidates } from './frame-candidates.ts';
import { imageOf, readImageHint } from './image-hint.ts';
import type { HintedStore, ImageHint } from './image-hint.ts';
import type { Paged } from './open-package.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { PagePlanBuilder, unplacedPages } from './page-plan.ts';
import type { PagePlan } from './page-plan.ts';
import { KnownFiles, planPages } from './plan-pages.ts';

export interface PagedPlan {
  readonly paged: Paged;
  readonly pages: LocalPages;
  /** Frames are indexes of the candidates. */
  readonly plan: PagePlan;
  /** Pages whose frames were found by comparing. */
  readonly equal: PagePlan;
}

export interface UploadPlan {
  readonly candidates: FrameCandidates;
  readonly memory: PagedPlan;
  readonly disk: PagedPlan;
  /** Null when the image has to be sent, or there is none to send. */
  readonly image: ImageHint | null;
  /** Stored bytes of the packs that have the image; 0 when it has to be sent. */
  readonly imageBytes: number;
}

export type PlanEnv = Pick<Env, 'compute' | 'files'>;

/** @throws KelpieError `snapshot_corrupt`, `canceled`; StoreTrouble, SystemError. */
export async function planUpload(
  env: PlanEnv,
  store: HintedStore,
  source: PackageSource,
  options: ActOptions,
): Promise<UploadPlan> {
  const candidates = new FrameCandidates();
  const known = new KnownFiles(source.places, candidates);
  const memory = await planPaged(env, known, 'memory', source, options);
  const disk = await planPaged(env, known, 'disk', source, options);
  return {
    candidates,
    memory,
    disk,
    image: await readImageHint(env.compute, store, imageOf(source), options),
    imageBytes: 0,
  };
}

/** The packs of older packages that the package may refer to: without those of which it surely uses too little, since each session is a request. */
export function packsToPin({ candidates, memory, disk, image }: UploadPlan): readonly PackName[] {
  const isWorthIt = chooseFrames(candidates, [memory.plan, disk.plan], candidates.leastLengths());
  const packs = new Map<string, PackName>();
  for (const [index, { pack }] of candidates.frames.entries())
    if (isWorthIt[index] === 1) packs.set(packText(pack), pack);
  return [...packs.values(), ...(image?.packs ?? [])];
}

/** How the pages of one kind are opened: only the layers of a disk may be shorter than what is mapped. */
export function openPages(env: Pick<Env, 'files'>, paged: Paged, { pathOf }: LocalPages): OpenPageFiles {
  return new OpenPageFiles(env.files, pathOf, { zerosAfterEnd: paged === 'disk' });
}

async function planPaged(
  env: PlanEnv,
  known: KnownFiles,
  paged: Paged,
  source: PackageSource,
  { signal }: ActOptions,
): Promise<PagedPlan> {
  throwIfCanceled(signal, 'publishing the package');
  const pages = source[paged];
  const before = source.base?.[paged] ?? null;
  const plan = await planPages(pages.map, known);
  const unknown: PagedPlan = { paged, pages, plan, equal: new PagePlanBuilder(plan.files).finish() };
  if (before === null || unplacedPages(plan) === 0) return unknown;
  const mine = { plan, files: openPages(env, paged, pages) };
  const base = { plan: await planPages(before.map, known), files: openPages(env, paged, before) };
  try {
    const equal = await findEqualPages(mine, base, { compute: env.compute, signal });
    return { paged, pages, plan: withEqualPages(plan, equal), equal };
  } finally {
    await mine.files.close();
    await base.files.close();
  }
}
