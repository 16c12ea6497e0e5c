import { packageCollect, packageCopy, packagePrune, packageVerify } from '../api/package-care.ts';
import { routes } from '../api/routes.ts';
import { answerEvents } from '../event-stream.ts';
import { findPackageId } from '../find-package.ts';
import { readBody } from '../requests.ts';
import type { OperationListener } from '../../teleport/progress.ts';
import type { TransferProgress } from '../../store/teleport-storage.ts';
import type { PackageVerdict } from '../../store/packages/verify.ts';
import type { Room } from '../room.ts';

/** Of an id, for people. */
const SHOWN_DIGITS = 12;

export const packageCareRoom: Room<'packageVerify' | 'packageCollect' | 'packagePrune' | 'packageCopy'> = (
  supervisor,
) => {
  const { host } = supervisor;
  return {
    packageVerify: async (request) => {
      const { storeUrl, packages: references, isQuick } = await readBody(request, packageVerify);
      return answerEvents(supervisor, routes.packageVerify, request, async ({ listener, signal }) => {
        listener.progress('verify');
        const { storage, keeper } = await host.openStore(storeUrl);
        const ids: string[] = [];
        for (const reference of references) ids.push(await findPackageId(storage, reference));
        const packages: PackageVerdict[] = [];
        const verdicts = keeper.verify(ids.length === 0 ? null : ids, {
          isQuick,
          signal,
          onProgress: ({ packageId, doneBytes, totalBytes }) =>
            listener.progress('verify', packageId.slice(0, SHOWN_DIGITS), doneBytes, totalBytes),
        });
        for await (const verdict of verdicts) packages.push(verdict);
        return { packages };
      });
    },

    packageCollect: async (request) => {
      const { storeUrl, graceMs, isDryRun } = await readBody(request, packageCollect);
      return answerEvents(supervisor, routes.packageCollect, request, async ({ listener, signal }) => {
        listener.progress('sweep');
        const { keeper } = await host.openStore(storeUrl);
        return await keeper.collect({
          isDryRun,
          signal,
          onProgress: (removed, total) => listener.progress('sweep', `${removed} of ${total} packs`),
          ...(graceMs === undefined ? {} : { graceMs }),
        });
      });
    },

    packagePrune: async (request) => {
      const { storeUrl, rule, isDryRun } = await readBody(request, packagePrune);
      return answerEvents(supervisor, routes.packagePrune, request, async ({ listener, signal }) => {
        listener.progress('prune');
        const { keeper } = await host.openStore(storeUrl);
        const pruned = await keeper.prune(rule, { isDryRun, signal });
        if (isDryRun) return { ...pruned, freeableBytes: null };
        const { removedBytes } = await keeper.collect({ isDryRun: true, graceMs: 0, signal });
        return { ...pruned, freeableBytes: removedBytes };
      });
    },

    packageCopy: async (request) => {
      const { package: reference, sourceUrl, targetUrl, mayDecrypt } = await readBody(request, packageCopy);
      return answerEvents(supervisor, routes.packageCopy, request, async ({ listener, signal }) => {
        listener.progress('copy');
        const [source, target] = [await host.openStore(sourceUrl), await host.openStore(targetUrl)];
        const packageId = await findPackageId(source.storage, reference);
        const onProgress = copyProgress(listener);
        const asked = { mayDecrypt, signal, onProgress };
        const report = await target.keeper.copyFrom(source.keeper, packageId, asked);
        // It was opened before it had keys, which are those of the source then.
        const keyed = report.madeStore === 'encrypted' ? source : target;
        return { ...report, recipientCount: keyed.storage.recipientCount };
      });
    },
  };
};

function copyProgress(listener: OperationListener): (progress: TransferProgress) => void {
  return ({ item, doneBytes, totalBytes }) => listener.progress('copy', item, doneBytes, totalBytes);
}
