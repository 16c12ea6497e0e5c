/**
 * Copies of a package: whoever may run the VM that it is of, copies are other VMs, and no record is asked or changed. What is fetched becomes the first copy's snapshot; the
 * others share its blobs.
 */
import { ensureImage } from './image-transfer.ts';
import { fetchSnapshot } from './fetch-snapshot.ts';
import { requireCompatible } from './host-facts.ts';
import { defined } from '../base/assert.ts';
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
        await requireCompatible(host, metadata, { name, carriesImage: imageFiles.length > 0, ...options });
        options.listener.progress('image');
        await times.measure('image', () => ensureImage(host, open, options));
        const [first] = copyIds;
        const vmId = defined(first, 'a fork makes at least one copy');
        const own = { vmId, snapshotId: host.env.random.uuid() };
        const { snapshot, download } = await times.measure('download', async () =>
          fetchSnapshot(host, open, await store.id(), options, own),
        );
        await use(snapshot);
        host.later(metadata.vmId, () => download.forget());
      }),
  };
}
