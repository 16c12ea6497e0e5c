/** A checkpoint becomes one of a new VM: fetched from a store, or shared with the VM of this host that it was taken of. */
import { createSynced } from '../env/durable-files.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SnapshotMetadata, VmConfig } from '../snapshot/metadata.ts';
import { PageMap } from '../snapshot/page-map.ts';
import type { OpenPackage } from '../store/teleport-storage.ts';
import { checkpointFacts, checkpointHead, checkpointMap, completeCheckpoint } from './checkpoint-files.ts';
import { beginFetch } from './fetch-snapshot.ts';
import type { FetchedSnapshot } from './fetch-snapshot.ts';
import { placesIn } from './place-files.ts';
import { rememberPackage } from './published-as.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

/** Where a checkpoint is. */
export type CheckpointOrigin =
  | { readonly kind: 'local'; readonly snapshot: LocalSnapshot }
  | { readonly kind: 'store'; readonly open: OpenPackage; readonly storeId: string };

export function originMetadata(origin: CheckpointOrigin): SnapshotMetadata {
  return origin.kind === 'local' ? origin.snapshot.metadata : origin.open.package.metadata;
}

export interface OwnVm {
  readonly id: string;
  readonly config: VmConfig;
}

/** The checkpoint as one of `vm`, whose later ones refer to what is in it. `download` is null where nothing was. @throws as `fetchSnapshot`. */
export async function takeOver(
  host: TeleportHost,
  origin: CheckpointOrigin,
  vm: OwnVm,
  options: OperationOptions,
): Promise<Omit<FetchedSnapshot, 'download'> & { readonly download: FetchedSnapshot['download'] | null }> {
  const metadata = {
    ...originMetadata(origin),
    vmId: vm.id,
    snapshotId: host.env.random.uuid(),
    parentId: null,
    config: vm.config,
  };
  if (origin.kind === 'store') return fetchCheckpoint(host, origin, metadata, options);
  const { snapshot } = origin;
  const head = await checkpointHead(host, snapshot);
  const map = await checkpointMap(host, snapshot);
  const own = await completeCheckpoint(host, metadata, { head, map, newBytes: 0 });
  return { snapshot: own, downloadedBytes: 0, download: null };
}

async function fetchCheckpoint(
  host: TeleportHost,
  { open, storeId }: Extract<CheckpointOrigin, { kind: 'store' }>,
  metadata: SnapshotMetadata,
  options: OperationOptions,
): Promise<FetchedSnapshot> {
  const { env, places, snapshots } = host;
  const fetch = beginFetch(host, open, storeId, options);
  const directory = await snapshots.prepare(metadata.vmId, metadata.snapshotId);
  const deviceStateBytes = await fetch.deviceState(`${directory}/device-state`);
  const pageFile = env.random.uuid();
  const storeMap = await fetch.pages('memory', pageFilePath(places.blobDirectory, pageFile));
  const map = PageMap.identity(storeMap.pageCount, pageFile, storeMap.nonZeroRuns());
  await attemptLocally('write down the checkpoint', async () => {
    await createSynced(env.files, `${directory}/memory.map`, map.encode(env.compute));
    await rememberPackage(env, directory, storeId, open.package.id);
  });
  const snapshot = await snapshots.complete(
    checkpointFacts(metadata, deviceStateBytes, map, map.nonZeroPages * PAGE_BYTES),
  );
  await placesIn(host, storeId).set(pageFile, storeMap);
  return { snapshot, downloadedBytes: fetch.movedBytes, download: fetch.download };
}
