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
import { KelpieError, asError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { isUuid } from '../base/uuid.ts';
import { readBlob } from '../snapshot/blob/read-blob.ts';
import { BlobTarget } from './blob-target.ts';
import { imageFilesFor } from './image-files.ts';
import { newVmRecord } from './vm-record.ts';
import type { Bytes } from '../base/bytes.ts';
import type { BlobContents } from '../snapshot/blob/contents.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { PortForward, SnapshotMetadata } from '../snapshot/metadata.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

export interface ImportRequest {
  /** Null: the one that the VM had. */
  readonly name: string | null;
  readonly publish: readonly PortForward[] | null;
  /** Whether a blob of version 1 will do, which has no disk. */
  readonly withoutDisk: boolean;
}

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
  let totalBytes: number | null = null;
  const target = new BlobTarget(host, async (contents) => {
    await requireAcceptable(host, registry, contents, request, guard);
    totalBytes = payloadBytes(contents);
    return describeHere(host, vmId, contents.metadata, request);
  });
  try {
    await readBlob(
      counted(bytes, options, () => totalBytes),
      target,
      host.env.compute,
    );
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
  { version, metadata }: BlobContents,
  request: ImportRequest,
  guard: ImportGuard,
): Promise<void> {
  if (version === 1 && !request.withoutDisk) {
    throw new KelpieError(
      'invalid_argument',
      'the package is of version 1, which has no disk: export the VM as version 2, or import it with --without-disk, and it gets an empty disk.',
    );
  }
  const name = request.name ?? metadata.config.name;
  // The package's own word: such a name would hide behind a VM of that id.
  if (isUuid(name)) {
    throw new KelpieError(
      'invalid_argument',
      `the VM is named "${name}", like an id: give it another with --name.`,
    );
  }
  registry.requireFreeName(name);
  await guard.admit(metadata);
  await imageFilesFor(host, metadata.config.image);
}

/** The snapshot as one of the new VM. What it was a child of is not here. */
function describeHere(
  host: TeleportHost,
  vmId: string,
  metadata: SnapshotMetadata,
  { name, publish }: ImportRequest,
): SnapshotMetadata {
  const { config } = metadata;
  return {
    ...metadata,
    vmId,
    snapshotId: host.env.random.uuid(),
    parentId: null,
    config: { ...config, name: name ?? config.name, publish: publish ?? config.publish },
  };
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

/** Counts the bytes on their way, and ends them when the import is canceled. */
async function* counted(
  bytes: AsyncIterable<Bytes>,
  { listener, signal }: OperationOptions,
  totalBytes: () => number | null,
): AsyncGenerator<Bytes, void> {
  let doneBytes = 0;
  for await (const chunk of bytes) {
    throwIfCanceled(signal, 'the import');
    doneBytes += chunk.byteLength;
    const total = totalBytes();
    // The total leaves out what stands around the parts.
    if (total !== null) listener.progress('import', undefined, Math.min(doneBytes, total), total);
    yield chunk;
  }
  throwIfCanceled(signal, 'the import');
}

/** What a blob carries, in bytes. */
function payloadBytes({ deviceStateBytes, memory, disks }: BlobContents): number {
  return [memory, ...disks].reduce(
    (sum, { pages, sizeBytes }) => sum + (pages === null ? sizeBytes : pages * PAGE_BYTES),
    deviceStateBytes,
  );
}
