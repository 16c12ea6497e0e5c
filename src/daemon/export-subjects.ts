/** What can be exported as a blob. */
import { KelpieError } from '../base/errors.ts';
import { findSnapshot } from '../teleport/restore-local.ts';
import { packageBlobSource, snapshotBlobSource } from '../teleport/blob-source.ts';
import { findPackageId } from './find-package.ts';
import type { BlobSource } from '../snapshot/blob/contents.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { TeleportHost } from '../teleport/teleport-host.ts';

export interface ExportSubject {
  /** What is kept from other operations until the last byte was taken. */
  readonly key: string;
  /** For sentences and the log: `export "dev"`. */
  readonly act: string;
  /** Called once, when the key is held. @throws KelpieError. */
  readonly open: (signal: AbortSignal) => Promise<OpenedSubject>;
}

export interface OpenedSubject {
  readonly source: BlobSource;
  /** What it is called where it is. */
  readonly vmName: string;
  /** Null: a snapshot of this host. */
  readonly packageId: string | null;
}

/** A snapshot of a VM of this host. The VM runs on meanwhile, and commands in it too; nothing may remove the files that are read. */
export function snapshotSubject(host: TeleportHost, vm: ManagedVm, snapshotId: string | null): ExportSubject {
  return {
    key: vm.id,
    act: `export "${vm.name}"`,
    open: async (signal) => {
      const snapshot = await findSnapshot(host, vm, snapshotId);
      requireMemory(snapshot.metadata);
      const source = await snapshotBlobSource(host, snapshot, signal);
      return { source, vmName: vm.name, packageId: null };
    },
  };
}

/**
 * A package of a store, of any architecture. No VM of this host has to do with it, and who may run the VM does not change: what is imported is
 * another.
 * @param reference its id, or a beginning of it that no other has.
 */
export function packageSubject(host: TeleportHost, storeUrl: string, reference: string): ExportSubject {
  return {
    // Its own: any number of clients may read a package.
    key: `export:${host.env.random.uuid()}`,
    act: `export package ${reference}`,
    open: async (signal) => {
      const { storage } = await host.openStore(storeUrl);
      const packageId = await findPackageId(storage, reference);
      const open = await storage.download(packageId);
      requireMemory(open.package.metadata);
      const source = await packageBlobSource(open, signal);
      return { source, vmName: source.metadata.config.name, packageId };
    },
  };
}

/** The file's format has no place for the archive of a checkpoint. */
function requireMemory({ kind }: SnapshotMetadata): void {
  if (kind !== 'checkpoint') return;
  throw new KelpieError(
    'invalid_argument',
    'a checkpoint cannot be a file of its own: publish it with `kelpie checkpoint --store`, or copy its package with `kelpie package copy`.',
  );
}
