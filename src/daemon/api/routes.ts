/**
 * Every route of the API: the one table that the daemon serves, the client calls and `docs/openapi.json` describes.
 *
 * `answer`: `json` is one document of `result`; `events` is an event stream whose last line holds `result`; `bytes` is raw; `frames` is an
 * attached session; `blob` is an export. `body` likewise. Errors are problem details everywhere.
 */
import type { z } from 'zod';
import { loadOnce } from '../../base/load-once.ts';
import { ownershipRoutes } from './ownership-routes.ts';
import { blobRoutes } from './blob-routes.ts';
import { forkRoutes } from './fork-routes.ts';
import { imageRoutes } from './images-routes.ts';
import { keysRoutes } from './keys-routes.ts';
import { packageCareRoutes } from './package-care-routes.ts';
import { snapshotRoutes } from './snapshot-routes.ts';
import { storesRoutes } from './stores-routes.ts';
import type {
  BlobDeposited,
  BlobDepositQuery,
  BlobExportQuery,
  BlobImportQuery,
  BlobImported,
  BlobOpened,
  PackageExportQuery,
} from './blobs.ts';
import type { CheckpointCreate, CheckpointCreated } from './checkpoints.ts';
import type { ExecStart, SessionList, SessionStarted, SignalRequest } from './exec.ts';
import type { FileQuery, FileWriteQuery, FileWritten } from './files.ts';
import type { Fork, Forked, ForkPackage } from './forks.ts';
import type { ImageBuild, ImageBuilt, ImageList } from './images.ts';
import type { KeyDistrust, KeyInit, KeyTrust, KeysView } from './keys.ts';
import type { Reclaim, Reclaimed, WhoQuery, WhoView } from './ownership.ts';
import type { SnapshotPrune, SnapshotsPruned } from './prune.ts';
import type { PackageDetail, PackageList, PackageQuery, PackageRemoveQuery, StoreQuery } from './packages.ts';
import type {
  PackageCollect,
  PackageCollected,
  PackageCopied,
  PackageCopy,
  PackagePrune,
  PackagePruned,
  PackageVerified,
  PackageVerify,
} from './package-care.ts';
import type {
  RestoreFromStore,
  RestoreLocal,
  Restored,
  SnapshotCreate,
  SnapshotCreated,
  SnapshotLog,
  SnapshotView,
} from './snapshots.ts';
import type { StoreHostJoined, StoreHosts, StoreJoin } from './store-hosts.ts';
import type { StoreInit, StoreKeysView, StoreRecipients, StoreRotate, StoreView } from './stores.ts';
import type { Teleport, Teleported } from './teleports.ts';
import type { DoctorQuery, DoctorReport, Done, HealthView, VersionView } from './system.ts';
import type { VmCreate, VmDetail, VmList, VmRemove, VmStarted, VmStop, VmView } from './vms.ts';
import type { GuestFileInfo } from '../../guest/guest-agent.ts';

/** `Result` of the answer, `Body` and `Query` as parsed; `undefined` where a route has none. */
export interface Route<Result = unknown, Body = unknown, Query = unknown> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `:name` stands for one percent-encoded segment. */
  readonly path: string;
  readonly summary: string;
  readonly query?: Schema<Query>;
  /** A schema: JSON of it. */
  readonly body?: Schema<Body> | 'bytes' | 'frames';
  readonly answer: 'json' | 'events' | 'bytes' | 'frames' | 'blob';
  readonly result?: Schema<Result>;
}

/** Loaded when it is asked for: the table is read by each command, whose start zod and all schemas would delay by 75 ms. */
export type Schema<T> = () => Promise<z.ZodType<T>>;

export interface Routes {
  readonly version: Route<VersionView, undefined, undefined>;
  readonly health: Route<HealthView, undefined, undefined>;
  readonly doctor: Route<DoctorReport, undefined, DoctorQuery>;
  readonly repair: Route<DoctorReport, undefined, undefined>;
  readonly shutdown: Route<Done, undefined, undefined>;
  readonly vmList: Route<VmList, undefined, undefined>;
  readonly vmCreate: Route<VmStarted, VmCreate, undefined>;
  readonly vmInspect: Route<VmDetail, undefined, undefined>;
  readonly vmRemove: Route<Done, undefined, VmRemove>;
  readonly vmStart: Route<VmStarted, undefined, undefined>;
  readonly vmPause: Route<VmView, undefined, undefined>;
  readonly vmResume: Route<VmView, undefined, undefined>;
  readonly vmSuspend: Route<SnapshotCreated, SnapshotCreate, undefined>;
  readonly vmStop: Route<VmView, VmStop, undefined>;
  readonly vmLogs: Route<undefined, undefined, undefined>;
  readonly sessionList: Route<SessionList, undefined, undefined>;
  readonly sessionStart: Route<SessionStarted, ExecStart, undefined>;
  readonly sessionSignal: Route<Done, SignalRequest, undefined>;
  readonly sessionForget: Route<Done, undefined, undefined>;
  readonly attach: Route<undefined, undefined, undefined>;
  readonly fileRead: Route<undefined, undefined, FileQuery>;
  readonly fileWrite: Route<FileWritten, undefined, FileWriteQuery>;
  readonly fileStat: Route<GuestFileInfo, undefined, FileQuery>;
  readonly snapshotCreate: Route<SnapshotCreated, SnapshotCreate, undefined>;
  readonly snapshotLog: Route<SnapshotLog, undefined, undefined>;
  readonly snapshotInspect: Route<SnapshotView, undefined, undefined>;
  readonly snapshotRemove: Route<Done, undefined, undefined>;
  readonly snapshotPrune: Route<SnapshotsPruned, SnapshotPrune, undefined>;
  readonly checkpointCreate: Route<CheckpointCreated, CheckpointCreate, undefined>;
  readonly restoreLocal: Route<Restored, RestoreLocal, undefined>;
  readonly teleport: Route<Teleported, Teleport, undefined>;
  readonly restoreFromStore: Route<Restored, RestoreFromStore, undefined>;
  readonly fork: Route<Forked, Fork, undefined>;
  readonly forkPackage: Route<Forked, ForkPackage, undefined>;
  readonly who: Route<WhoView, undefined, WhoQuery>;
  readonly reclaim: Route<Reclaimed, Reclaim, undefined>;
  readonly packageList: Route<PackageList, undefined, StoreQuery>;
  readonly packageInspect: Route<PackageDetail, undefined, PackageQuery>;
  readonly packageRemove: Route<Done, undefined, PackageRemoveQuery>;
  readonly packageVerify: Route<PackageVerified, PackageVerify, undefined>;
  readonly packageCollect: Route<PackageCollected, PackageCollect, undefined>;
  readonly packagePrune: Route<PackagePruned, PackagePrune, undefined>;
  readonly packageCopy: Route<PackageCopied, PackageCopy, undefined>;
  readonly blobExport: Route<BlobOpened, undefined, BlobExportQuery>;
  readonly packageExport: Route<BlobOpened, undefined, PackageExportQuery>;
  readonly blobImport: Route<BlobImported, undefined, BlobImportQuery>;
  readonly blobDeposit: Route<BlobDeposited, undefined, BlobDepositQuery>;
  readonly keyShow: Route<KeysView, undefined, undefined>;
  readonly keyInit: Route<KeysView, KeyInit, undefined>;
  readonly keyTrust: Route<KeysView, KeyTrust, undefined>;
  readonly keyDistrust: Route<KeysView, KeyDistrust, undefined>;
  readonly storeShow: Route<StoreView, undefined, StoreQuery>;
  readonly storeInit: Route<StoreKeysView, StoreInit, undefined>;
  readonly storeRecipients: Route<StoreKeysView, StoreRecipients, undefined>;
  readonly storeRotate: Route<StoreKeysView, StoreRotate, undefined>;
  readonly storeHosts: Route<StoreHosts, undefined, StoreQuery>;
  readonly storeJoin: Route<StoreHostJoined, StoreJoin, undefined>;
  readonly storeForget: Route<Done, undefined, StoreQuery>;
  readonly imageList: Route<ImageList, undefined, undefined>;
  readonly imageBuild: Route<ImageBuilt, ImageBuild, undefined>;
  readonly imageRemove: Route<Done, undefined, undefined>;
}

const vm = '/v1/vms/:vm';

const load = {
  exec: loadOnce(() => import('./exec.ts')),
  files: loadOnce(() => import('./files.ts')),
  packages: loadOnce(() => import('./packages.ts')),
  system: loadOnce(() => import('./system.ts')),
  vms: loadOnce(() => import('./vms.ts')),
} as const;

export const routes: Routes = {
  version: {
    method: 'GET',
    path: '/v1/version',
    summary: 'Who the daemon is',
    answer: 'json',
    result: async () => (await load.system()).versionView,
  },
  health: {
    method: 'GET',
    path: '/v1/health',
    summary: 'That the daemon answers',
    answer: 'json',
    result: async () => (await load.system()).healthView,
  },
  doctor: {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'What this host, or a store, can do, and what to repair',
    query: async () => (await load.system()).doctorQuery,
    answer: 'json',
    result: async () => (await load.system()).doctorReport,
  },
  shutdown: {
    method: 'POST',
    path: '/v1/shutdown',
    summary: 'End the daemon; VMs live on',
    answer: 'json',
    result: async () => (await load.system()).done,
  },

  vmList: {
    method: 'GET',
    path: '/v1/vms',
    summary: 'Every VM of this host',
    answer: 'json',
    result: async () => (await load.vms()).vmList,
  },
  vmCreate: {
    method: 'POST',
    path: '/v1/vms',
    summary: 'Create a VM and boot it',
    body: async () => (await load.vms()).vmCreate,
    answer: 'events',
    result: async () => (await load.vms()).vmStarted,
  },
  vmInspect: {
    method: 'GET',
    path: vm,
    summary: 'One VM with its files',
    answer: 'json',
    result: async () => (await load.vms()).vmDetail,
  },
  vmRemove: {
    method: 'DELETE',
    path: vm,
    summary: 'Remove a VM with its snapshots',
    query: async () => (await load.vms()).vmRemove,
    answer: 'json',
    result: async () => (await load.system()).done,
  },
  vmStart: {
    method: 'POST',
    path: `${vm}/start`,
    summary: 'Boot a stopped VM from its disk',
    answer: 'events',
    result: async () => (await load.vms()).vmStarted,
  },
  vmPause: {
    method: 'POST',
    path: `${vm}/pause`,
    summary: 'Stop its clock',
    answer: 'json',
    result: async () => (await load.vms()).vmView,
  },
  vmResume: {
    method: 'POST',
    path: `${vm}/resume`,
    summary: 'Let a VM go on that is paused or suspended',
    answer: 'events',
    result: async () => (await load.vms()).vmView,
  },
  vmStop: {
    method: 'POST',
    path: `${vm}/stop`,
    summary: 'Power it off',
    body: async () => (await load.vms()).vmStop,
    answer: 'json',
    result: async () => (await load.vms()).vmView,
  },
  vmLogs: { method: 'GET', path: `${vm}/logs`, summary: 'The end of its console', answer: 'bytes' },

  sessionList: {
    method: 'GET',
    path: `${vm}/sessions`,
    summary: 'Commands in the VM',
    answer: 'json',
    result: async () => (await load.exec()).sessionList,
  },
  sessionStart: {
    method: 'POST',
    path: `${vm}/sessions`,
    summary: 'Start a command with nobody attached',
    body: async () => (await load.exec()).execStart,
    answer: 'json',
    result: async () => (await load.exec()).sessionStarted,
  },
  sessionSignal: {
    method: 'POST',
    path: `${vm}/sessions/:session/signal`,
    summary: 'Signal a command',
    body: async () => (await load.exec()).signalRequest,
    answer: 'json',
    result: async () => (await load.system()).done,
  },
  sessionForget: {
    method: 'DELETE',
    path: `${vm}/sessions/:session`,
    summary: 'Forget an ended command',
    answer: 'json',
    result: async () => (await load.system()).done,
  },
  attach: {
    method: 'POST',
    path: `${vm}/attach`,
    summary: 'Run or join a command, attached (exec-frames.ts)',
    body: 'frames',
    answer: 'frames',
  },

  fileRead: {
    method: 'GET',
    path: `${vm}/files`,
    summary: 'The bytes of a file',
    query: async () => (await load.files()).fileQuery,
    answer: 'bytes',
  },
  fileWrite: {
    method: 'PUT',
    path: `${vm}/files`,
    summary: 'Replace a file',
    query: async () => (await load.files()).fileWriteQuery,
    body: 'bytes',
    answer: 'json',
    result: async () => (await load.files()).fileWritten,
  },
  fileStat: {
    method: 'GET',
    path: `${vm}/file-info`,
    summary: 'What a path is',
    query: async () => (await load.files()).fileQuery,
    answer: 'json',
    result: async () => (await load.files()).guestFileInfo,
  },

  ...snapshotRoutes,
  ...forkRoutes,
  ...ownershipRoutes,

  packageList: {
    method: 'GET',
    path: '/v1/packages',
    summary: 'Packages of a store',
    query: async () => (await load.packages()).storeQuery,
    answer: 'json',
    result: async () => (await load.packages()).packageList,
  },
  packageInspect: {
    method: 'GET',
    path: '/v1/packages/:package',
    summary: 'One package, and whether this host, or another that the store knows, can run it',
    query: async () => (await load.packages()).packageQuery,
    answer: 'json',
    result: async () => (await load.packages()).packageDetail,
  },
  packageRemove: {
    method: 'DELETE',
    path: '/v1/packages/:package',
    summary: 'Remove a package',
    query: async () => (await load.packages()).packageRemoveQuery,
    answer: 'json',
    result: async () => (await load.system()).done,
  },

  ...packageCareRoutes,
  ...blobRoutes,
  ...keysRoutes,
  ...storesRoutes,
  ...imageRoutes,
};

export type RouteName = keyof Routes;

/** `/v1/vms/:vm/pause` with `{ vm: 'dev' }` → `/v1/vms/dev/pause`, and the query behind it. Undefined query members are left out. */
export function pathOf(
  route: { readonly path: string },
  parameters: Readonly<Record<string, string | number>> = {},
  query: Readonly<Record<string, string | number | boolean | undefined>> = {},
): string {
  const path = route.path.replaceAll(/:([a-z]+)/g, (_match, key: string) =>
    encodeURIComponent(String(parameters[key] ?? '')),
  );
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}
