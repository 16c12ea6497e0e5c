/** What becomes of a snapshot that is imported: one of a new VM, whatever VM it was of. */
import { KelpieError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import type { Env } from '../env/env.ts';
import type { BlobContents } from '../snapshot/blob/contents.ts';
import type { PortForward, SnapshotMetadata } from '../snapshot/metadata.ts';

export interface ImportRequest {
  /** Null: the one that the VM had. */
  readonly name: string | null;
  readonly publish: readonly PortForward[] | null;
  /** Whether a blob of version 1 will do, which has no disk. */
  readonly withoutDisk: boolean;
}

/** @throws KelpieError `invalid_argument` for a blob without a disk that was not asked for, and for a name that nobody could say. */
export function requireImportable({ version, metadata }: BlobContents, request: ImportRequest): void {
  if (version === 1 && !request.withoutDisk) {
    throw new KelpieError(
      'invalid_argument',
      'the package is of version 1, which has no disk: export the VM as version 2, or import it with --without-disk, and it gets an empty disk.',
    );
  }
  if (metadata.kind === 'checkpoint')
    throw new KelpieError(
      'package_corrupt',
      'the package cannot be used: a checkpoint is no file of its own.',
    );
  const name = request.name ?? metadata.config.name;
  // The package's own word: such a name would hide behind a VM of that id.
  if (isUuid(name)) {
    throw new KelpieError(
      'invalid_argument',
      `the VM is named "${name}", like an id: give it another with --name.`,
    );
  }
}

/** The snapshot as one of the new VM. What it was a child of is not with it. */
export function describeImported(
  { random }: Pick<Env, 'random'>,
  vmId: string,
  metadata: SnapshotMetadata,
  { name, publish }: ImportRequest,
): SnapshotMetadata {
  const { config } = metadata;
  return {
    ...metadata,
    vmId,
    snapshotId: random.uuid(),
    parentId: null,
    config: { ...config, name: name ?? config.name, publish: publish ?? config.publish },
  };
}
