import { KelpieError } from '../../base/errors.ts';
import { toMetadataView } from '../api/metadata-view.ts';
import { packageQuery, packageRemoveQuery, storeQuery } from '../api/packages.ts';
import { routes } from '../api/routes.ts';
import { answerJson } from '../answers.ts';
import { findPackage, findPackageId, idOf } from '../find-package.ts';
import { readQuery } from '../requests.ts';
import { parameter } from '../room.ts';
import { holdsPackage, isAtRestIn } from '../../store/package-holders.ts';
import { findHost } from '../../store/hosts/find-host.ts';
import { checkFor, checkHere } from '../../teleport/host-facts.ts';
import { toldReasons } from '../../teleport/incompatible.ts';
import type { HostRecord } from '../../store/hosts/host-record.ts';
import type { OwnershipRecord } from '../../store/ownership-records.ts';
import type { PackageListing } from '../../store/teleport-storage.ts';
import type { PackageDetail, PackageView } from '../api/packages.ts';
import type { Room } from '../room.ts';

export const packagesRoom: Room<'packageList' | 'packageInspect' | 'packageRemove'> = (supervisor) => {
  const { host } = supervisor;
  return {
    packageList: async (request) => {
      const { storage, ownership } = await host.openStore(readQuery(request, storeQuery).storeUrl);
      const records = await ownership.list();
      const packages = (await storage.list()).map((listing) => viewPackage(listing, records));
      const { isEncrypted, recipientCount } = storage;
      return answerJson(routes.packageList, { packages, isEncrypted, recipientCount });
    },

    packageInspect: async (request, parameters) => {
      const { storeUrl, forHost } = readQuery(request, packageQuery);
      const { storage, ownership, keeper, hosts } = await host.openStore(storeUrl);
      const target = forHost === undefined ? null : findHost(await hosts.list(), forHost, storeUrl);
      const packageId = await findPackageId(storage, parameter(parameters, 'package'));
      const { package: found } = await storage.download(packageId);
      const record = await ownership.read(found.metadata.vmId);
      const view = viewPackage(
        { damaged: false, package: found, publishedAtUnixMs: found.metadata.createdAtUnixMs },
        record === null ? [] : [record],
      );
      const carriesImage = found.imageFiles.length > 0;
      const { reasons, notices } =
        target === null
          ? await checkHere(host, found.metadata, { carriesImage })
          : checkFor(target, found.metadata, { carriesImage });
      const detail: PackageDetail = {
        ...view,
        reasons: toldReasons(reasons),
        notices,
        forHost: target === null ? null : nameOf(target),
        layout: await keeper.layout(packageId),
        parentId: found.parentId,
        isEncrypted: found.isEncrypted,
        recipientCount: storage.recipientCount,
        imageFiles: found.imageFiles,
        ownership: viewOwnership(record),
      };
      return answerJson(routes.packageInspect, detail);
    },

    packageRemove: async (request, parameters) => {
      const { storeUrl, force } = readQuery(request, packageRemoveQuery);
      const { storage, ownership } = await host.openStore(storeUrl);
      const listing = await findPackage(storage, parameter(parameters, 'package'));
      const packageId = idOf(listing);
      const vmId = listing.damaged ? null : listing.package.metadata.vmId;
      const holder = (await ownership.list()).find((record) => holdsPackage(record, packageId, vmId));
      if (holder !== undefined && !force) throw inUse(holder, packageId);
      await storage.delete(packageId);
      return answerJson(routes.packageRemove, {});
    },
  };
};

function inUse(record: OwnershipRecord, packageId: string): KelpieError {
  const { vmName, hostName } = record;
  if (record.state === 'running') {
    return new KelpieError(
      'package_in_use',
      `"${vmName}" runs on ${hostName}, and goes back to this package when that host is lost: remove it with --force if it need not.`,
    );
  }
  if (isAtRestIn(record, packageId)) {
    return new KelpieError(
      'package_in_use',
      `"${vmName}" is at rest in this package and nowhere else: restore it first, or remove it with --force and lose it.`,
    );
  }
  return new KelpieError(
    'package_in_use',
    `"${vmName}" is just leaving ${hostName}: try again when it has, or remove the package with --force.`,
  );
}

function viewPackage(listing: PackageListing, records: readonly OwnershipRecord[]): PackageView {
  if (listing.damaged) {
    return {
      id: listing.id,
      damaged: listing.reason,
      sizes: null,
      publishedAtUnixMs: null,
      metadata: null,
      isAtRest: false,
      signedBy: null,
    };
  }
  const { id, metadata } = listing.package;
  return {
    id,
    damaged: null,
    sizes: listing.package.sizes,
    publishedAtUnixMs: listing.publishedAtUnixMs,
    metadata: toMetadataView(metadata),
    isAtRest: records.some((record) => isAtRestIn(record, id)),
    signedBy: listing.package.signedBy,
  };
}

function nameOf({ hostId, name, toldAtUnixMs }: HostRecord): PackageDetail['forHost'] {
  return { id: hostId, name, toldAtUnixMs };
}

function viewOwnership(record: OwnershipRecord | null): PackageDetail['ownership'] {
  if (record === null) return null;
  return {
    state: record.state,
    epoch: record.epoch,
    owner: 'owner' in record ? record.owner : null,
    hostName: record.hostName,
  };
}
