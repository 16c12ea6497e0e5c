/**
 * A blob becomes a new VM of this host with one snapshot, ready to be restored. Progress phases: `import`.
 *
 *     read, check, write files ──▶ snapshot.json ──▶ vm.json
 *            └───────────────────────────┴─ a failure or a crash here: there never was a VM, its files are swept
 *
 * It is a *new* VM, with an id of its own, whatever VM the blob was made of: a file can be imported any number of times and anywhere, while the VM that
 * it is of goes on elsewhere. So nothing ever runs twice, no ownership record is asked or changed, and the store that the other VM came from knows
 * nothing of this one (docs/adr/0081-an-import-is-a-new-vm.md).
 */
import { throwIfCanceled } from '../base/cancel.ts';
import { asError } from '../base/errors.ts';
import { readBlob } from '../snapshot/blob/read-blob.ts';
import { BlobTarget } from './blob-target.ts';
import { imageFilesFor } from './image-files.ts';
import { ImportProgress } from './import-progress.ts';
import { describeImported, requireImportable } from './imported-snapshot.ts';
import { newVmRecord } from './vm-record.ts';
import type { Bytes } from '../base/bytes.ts';
import type { BlobContents } from '../snapshot/blob/contents.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { ImportRequest } from './imported-snapshot.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface Imported {
  readonly vm: ManagedVm;
  readonly snapshot: LocalSnapshot;
}

/** What the daemon adds. */
export interface ImportGuard {
  /** Whether this host could run it. @throws KelpieError `restore_incompatible`, `limit_exceeded`. */
  admit(metadata: SnapshotMetadata): Promise<void>;
  /** Keeps the name from others while `act` runs. @throws KelpieError `vm_busy`. */
  whileNamed<T>(name: string, act: () => Promise<T>): Promise<T>;
}

export interface ImportOptions extends OperationOptions {
  readonly guard: ImportGuard;
}

/**
 * @param bytes the blob, not trusted; ended in any case.
 * @throws KelpieError `package_corrupt`, `package_too_new`, `limit_exceeded`, `name_taken`, `image_not_found`, `invalid_argument` for a blob without
 * a disk, `restore_incompatible`, `disk_full`, `canceled` …; then there is no VM.
 */
export async function importBlob(
  host: TeleportHost,
  registry: VmRegistry,
  bytes: AsyncIterable<Bytes>,
  request: ImportRequest,
  options: ImportOptions,
): Promise<Imported> {
  const { guard } = options;
  const vmId = host.env.random.uuid();
  const progress = new ImportProgress(options);
  const target = new BlobTarget(host, async (contents) => {
    await requireAcceptable(host, registry, contents, request, guard);
    return describeImported(host.env, vmId, contents.metadata, request);
  });
  try {
    await readBlob(progress.read(bytes), progress.watch(target), host.env.compute);
    const snapshot = await target.complete();
    const { name } = snapshot.metadata.config;
    const vm = await guard.whileNamed(name, async () => {
      registry.requireFreeName(name);
      throwIfCanceled(options.signal, 'the import');
      return addVm(host, registry, snapshot);
    });
    return { vm, snapshot };
  } catch (error) {
    await target.abandon();
    await discard(host, vmId);
    throw error;
  }
}

async function requireAcceptable(
  host: TeleportHost,
  registry: VmRegistry,
  contents: BlobContents,
  request: ImportRequest,
  guard: ImportGuard,
): Promise<void> {
  const { metadata } = contents;
  requireImportable(contents, request);
  registry.requireFreeName(request.name ?? metadata.config.name);
  await guard.admit(metadata);
  await imageFilesFor(host, metadata.config.image);
}

/** The record is the root: with it, there is a VM. Its generation goes on from the guest's, so that the first restore repairs its identity. */
async function addVm(
  host: TeleportHost,
  registry: VmRegistry,
  { metadata, disk }: LocalSnapshot,
): Promise<ManagedVm> {
  const record = newVmRecord({
    id: metadata.vmId,
    config: metadata.config,
    createdAtUnixMs: Math.round(host.env.clock.wallMs()),
    state: 'stopped',
    generation: metadata.guest.generation,
    snapshotId: metadata.snapshotId,
    // A boot puts a layer of its own on top.
    disk,
  });
  return registry.add(record);
}

/** What cannot be removed now is removed when the daemon starts: no record names it. */
async function discard(host: TeleportHost, vmId: string): Promise<void> {
  try {
    await host.env.files.removeTree(host.places.vmDirectory(vmId));
  } catch (error) {
    host.log.error({ event: 'import-not-discarded', vmId, err: asError(error) });
  }
}
