/** Checkpoints as the API tells them. */
import type { CheckpointTaken } from '../teleport/take-checkpoint.ts';
import type { TeleportPackage } from '../store/teleport-storage.ts';
import { viewSnapshot } from './views.ts';
import type { CheckpointCreated } from './api/checkpoints.ts';

/** @param storeUrl where it was published; null when it stays here. */
export function viewCheckpoint(
  { snapshot, published, ...taken }: CheckpointTaken,
  storeUrl: string | null,
): CheckpointCreated {
  return { ...taken, snapshot: viewSnapshot(snapshot), published: viewPublished(published, storeUrl) };
}

function viewPublished(
  published: TeleportPackage | null,
  storeUrl: string | null,
): CheckpointCreated['published'] {
  if (published === null || storeUrl === null) return null;
  const { id, sizes, isEncrypted, signedBy } = published;
  return { packageId: id, storeUrl, sentBytes: sizes.ownBytes, isEncrypted, signedBy };
}
