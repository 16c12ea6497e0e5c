/**
 * Copies of a package: whoever may run the VM that it is of, copies are other VMs, and no record is asked or changed. What is fetched becomes the first copy's snapshot; the
 * others share its blobs.
 */
import { ensureImage } from './image-transfer.ts';
import { fetchSnapshot } from './fetch-snapshot.ts';
import { requireCompatible } from './host-facts.ts';
import { defined } from '../base/assert.ts';
import type { OpenPackage } from '../store/teleport-storage.ts';
import type { Store } from '../store/open-store.ts';
import type { ForkOrigin, OriginGuard } from './fork-origin.ts';
import type { TeleportHost } from './teleport-host.ts';

/**
 * Progress phases: `check`, `image`, `download`.
 * @throws KelpieError `package_not_found`, `package_corrupt`, `restore_incompatible`, and the store's.
 */
export async function packageOrigin(
  host: TeleportHost,
  store: Store,
  packageId: string,
  guard: OriginGuard,
): Promise<ForkOrigin> {
  const open = await store.storage.downloadForRestore(packageId);
  const { metadata, imageFiles } = open.package;
  const { name } = metadata.config;
  return {
    vmId: metadata.vmId,
    vmName: name,
    withSnapshot: (copyIds, { times, ...options }, use) =>
      // A restore of the VM may fetch the very same package.
      guard.whileLocked(metadata.vmId, async () => {
        options.listener.progress('check');
        await requireCompatible(host, metadata, { name, carriesImage: imageFiles.length > 0 });
        options.listener.progress('image');
        await times.measure('image', () => ensureImage(host, open, options));
        const [first] = copyIds;
        const own = asCopy(open, defined(first, 'a fork makes at least one copy'), host.env.random.uuid());
        const { snapshot, download } = await times.measure('download', async () =>
          fetchSnapshot(host, own, await store.id(), options),
        );
        await use(snapshot);
        host.later(metadata.vmId, () => download.forget());
      }),
  };
}

/** The package as if it were of a copy: under this id it is written down. */
function asCopy(open: OpenPackage, vmId: string, snapshotId: string): OpenPackage {
  const metadata = { ...open.package.metadata, vmId, snapshotId };
  return {
    package: { ...open.package, metadata },
    storeUrl: open.storeUrl,
    deviceStateBytes: open.deviceStateBytes,
    map: (...parameters) => open.map(...parameters),
    deviceState: (...parameters) => open.deviceState(...parameters),
    fetchPages: (...parameters) => open.fetchPages(...parameters),
    pages: (...parameters) => open.pages(...parameters),
    imageFile: (...parameters) => open.imageFile(...parameters),
  };
}
