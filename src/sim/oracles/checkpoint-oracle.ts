/** No checkpoint is published that did not come to be: each is of files that a guest gave out whole, after its application had written its state. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { World } from '../world/world.ts';
import { jsonObjectIn, objectAt, objectNames } from './store-view.ts';

/** Marked when a guest gives out its files whole (`world/guest-programs.ts`). */
const FILES_GIVEN = 'checkpoint: files given';
/** Of the manifests of checkpoints (docs/FORMAT.md), which is in the clear. */
const CHECKPOINT_FORMAT = 3;

export function checkPublishedCheckpoints(world: World): void {
  const published = objectNames(world, 'packages', 'cached').filter((id) => {
    if (world.truth.forged.has(id)) return false;
    const bytes = objectAt(world, `packages/${id}`, 'cached');
    const manifest = bytes === null ? null : jsonObjectIn(fromUtf8Lossy(bytes));
    return manifest?.['formatVersion'] === CHECKPOINT_FORMAT;
  });
  const given = world.truth.sometimes.get(FILES_GIVEN) ?? 0;
  if (published.length <= given) return;
  world.truth.violated(
    'checkpoint',
    `${published.length} checkpoints are published, and guests gave out their files ${given} times`,
  );
}
