/** What is done with the packages of a store after they were published. */
import { isKelpieError } from '../../base/errors.ts';
import { decidePrune, requireKeeping } from '../../snapshot/prune-rule.ts';
import type { PruneRule } from '../../snapshot/prune-rule.ts';
import type { OwnershipRecords } from '../ownership-records.ts';
import { holdsPackage } from '../package-holders.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { collectGarbage } from './collect.ts';
import type { CollectEnv, CollectOptions, CollectReport } from './collect.ts';
import { copyPackage } from './copy-package.ts';
import type { CopyOptions, CopyReport } from './copy-package.ts';
import { PackageCache, listManifests, listPackages } from './list-packages.ts';
import { openPackage } from './open-package.ts';
import { packageKey } from './package-key.ts';
import { layoutOf } from './package-layout.ts';
import type { PackageLayout } from './package-layout.ts';
import type { PackageSealing } from './sealing.ts';
import { PackageVerifier } from './verify.ts';
import type { PackageVerdict, VerifyOptions } from './verify.ts';

export interface PruneOptions extends ActOptions {
  /** Says what would be removed, and changes nothing. */
  readonly isDryRun?: boolean;
}

export interface PrunedPackage {
  readonly id: string;
  readonly vmName: string;
  readonly createdAtUnixMs: number;
  /** Why it stays, in words; empty when it goes. */
  readonly keptBy: readonly string[];
}

export interface PruneReport {
  /** Newest first, those of one VM together. */
  readonly packages: readonly PrunedPackage[];
  /** Damaged packages, which are never pruned. */
  readonly damaged: readonly string[];
}

export interface KeptStore {
  readonly objects: ObjectStore;
  readonly sealing: PackageSealing;
  readonly ownership: OwnershipRecords;
  /** For people, beside what is pinned or condemned. */
  readonly hostName: string;
}

/** The packages of one store. */
export class PackageKeeper {
  readonly #env: CollectEnv;
  readonly #store: KeptStore;
  readonly #cache: PackageCache;

  constructor(env: CollectEnv, store: KeptStore, cache: PackageCache = new PackageCache()) {
    this.#env = env;
    this.#store = store;
    this.#cache = cache;
  }

  /**
   * Reads and checks packages one after the other, newest first.
   * @param packageIds null for all.
   * @throws KelpieError `package_not_found`; StoreTrouble when the store cannot be asked. Damage is told in the verdicts.
   */
  async *verify(
    packageIds: readonly string[] | null,
    options: VerifyOptions = {},
  ): AsyncGenerator<PackageVerdict> {
    const verifier = new PackageVerifier(this.#env, this.#store, options);
    for (const id of packageIds ?? (await this.#newestFirst(options))) {
      try {
        yield await verifier.verify(id);
      } catch (error) {
        // One that was removed since it was listed is not asked for any more.
        if (packageIds !== null || !isKelpieError(error, 'package_not_found')) throw error;
      }
    }
  }

  /** How a package lies in its store. @throws KelpieError `package_not_found`, `package_corrupt`, `permission_denied`; StoreTrouble. */
  async layout(packageId: string, options: ActOptions = {}): Promise<PackageLayout> {
    return await layoutOf(await openPackage(this.#env, this.#store, packageId, options), options);
  }

  /** Removes what nobody needs; `collectGarbage` has the contract. */
  async collect(options: Omit<CollectOptions, 'hostName'> = {}): Promise<CollectReport> {
    return await collectGarbage(this.#env, this.#store.objects, {
      ...options,
      hostName: this.#store.hostName,
    });
  }

  /**
   * Removes the packages that a rule does not keep; their packs are `collect`'s. Never one that a VM is at rest in, nor any of a VM that is on its way.
   * @throws KelpieError `usage` for a rule that keeps nothing.
   */
  async prune(rule: PruneRule, options: PruneOptions = {}): Promise<PruneReport> {
    requireKeeping(rule, 'packages');
    const act: ActOptions = options.signal === undefined ? {} : { signal: options.signal };
    const listings = await listPackages(this.#env, this.#store, this.#cache, act);
    // After the packages: whatever record names one of them was there, or is seen.
    const records = await this.#store.ownership.list();
    const found = listings.flatMap((listing) => (listing.damaged ? [] : [listing.package]));
    const facts = new Map(found.map(({ id, metadata }) => [id, metadata]));
    const candidates = found.map(({ id, metadata }) => {
      const { vmId, createdAtUnixMs } = metadata;
      return { id, group: vmId, createdAtUnixMs };
    });
    const packages = decidePrune(candidates, rule).map(({ id, keptBy }) => {
      const metadata = facts.get(id);
      const holder = records.find((record) => holdsPackage(record, id, metadata?.vmId ?? null));
      return {
        id,
        vmName: metadata?.config.name ?? '',
        createdAtUnixMs: metadata?.createdAtUnixMs ?? 0,
        keptBy: holder === undefined ? keptBy : [...keptBy, holder.state],
      };
    });
    if (options.isDryRun !== true)
      for (const { id, keptBy } of packages)
        if (keptBy.length === 0) await this.#store.objects.delete(packageKey(id), act);
    return { packages, damaged: listings.flatMap((listing) => (listing.damaged ? [listing.id] : [])) };
  }

  /** Copies a package of another store into this one; `copyPackage` has the contract. */
  async copyFrom(source: PackageKeeper, packageId: string, options: CopyOptions = {}): Promise<CopyReport> {
    return await copyPackage(this.#env, source.#store, this.#store, packageId, options);
  }

  async #newestFirst(options: ActOptions): Promise<readonly string[]> {
    const act: ActOptions = options.signal === undefined ? {} : { signal: options.signal };
    const manifests = await listManifests(this.#store.objects, act);
    return manifests.toSorted((a, b) => b.modifiedMs - a.modifiedMs).map(({ id }) => id);
  }
}
