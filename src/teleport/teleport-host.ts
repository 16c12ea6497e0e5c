/** What the operations on one host share; made once by the daemon. */
import type { Env } from '../env/env.ts';
import type { SourceHostFacts } from '../snapshot/metadata.ts';
import type { LocalSnapshots } from '../snapshot/local-snapshots.ts';
import type { Store } from '../store/open-store.ts';
import type { VmFactory } from '../vm/factory.ts';
import type { VmBackend } from '../vm/instance.ts';
import type { DiskImages } from './disk-images.ts';
import type { HostPlaces } from './host-places.ts';
import type { Journal } from './journal.ts';
import type { Leases } from './leases.ts';
import type { Operation } from './operations.ts';

/** Events with fields; `err` holds an error. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>): void;
  error(fields: Readonly<Record<string, unknown>>): void;
}

export interface TeleportHost {
  readonly env: Env;
  readonly places: HostPlaces;
  readonly identity: { readonly id: string; readonly name: string };
  /** What snapshots say of the host that they were taken on. */
  readonly facts: SourceHostFacts;
  readonly journal: Journal;
  readonly snapshots: LocalSnapshots;
  readonly disks: DiskImages;
  readonly log: Log;
  /** What runs VMs here. */
  readonly factory: VmFactory;
  /** All of them, usable or not: whichever may have left something behind. */
  readonly backends: readonly VmBackend[];
  /** @throws KelpieError `invalid_argument` for a URL that names no store, `store_unavailable`. */
  openStore(url: string): Promise<Store>;
  /** This host uses the store: others may know what it can run. In the background; a failure is logged. */
  tellStore(url: string): void;
  /** What this host holds of the rights to run its VMs, and renews. */
  readonly leases: Leases;
  /** An operation that could not be settled now: its VM is kept from other commands, and settling is tried again. */
  hold(operation: Operation, cause: unknown): void;
  /** Work on a VM that its user need not wait for. A failure is logged and costs speed only. */
  later(vmId: string, task: () => Promise<void>): void;
}
