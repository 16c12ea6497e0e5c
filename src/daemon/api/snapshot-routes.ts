/** Points in a VM's life: taken, listed, gone back to, moved; a part of the table in `routes.ts`. */
import type { Routes } from './routes.ts';

const load = {
  checkpoints: () => import('./checkpoints.ts'),
  prune: () => import('./prune.ts'),
  snapshots: () => import('./snapshots.ts'),
  system: () => import('./system.ts'),
  teleports: () => import('./teleports.ts'),
} as const;
const vm = '/v1/vms/:vm';

export const snapshotRoutes: Pick<
  Routes,
  | 'vmSuspend'
  | 'snapshotCreate'
  | 'snapshotLog'
  | 'snapshotInspect'
  | 'snapshotRemove'
  | 'snapshotPrune'
  | 'checkpointCreate'
  | 'restoreLocal'
  | 'teleport'
  | 'restoreFromStore'
> = {
  vmSuspend: {
    method: 'POST',
    path: `${vm}/suspend`,
    summary: 'Snapshot it and end what runs, until it is resumed',
    body: async () => (await load.snapshots()).snapshotCreate,
    answer: 'events',
    result: async () => (await load.snapshots()).snapshotCreated,
  },
  snapshotCreate: {
    method: 'POST',
    path: `${vm}/snapshots`,
    summary: 'Snapshot a running VM',
    body: async () => (await load.snapshots()).snapshotCreate,
    answer: 'events',
    result: async () => (await load.snapshots()).snapshotCreated,
  },
  snapshotLog: {
    method: 'GET',
    path: `${vm}/snapshots`,
    summary: 'Its snapshots as a tree',
    answer: 'json',
    result: async () => (await load.snapshots()).snapshotLog,
  },
  snapshotInspect: {
    method: 'GET',
    path: `${vm}/snapshots/:snapshot`,
    summary: 'One snapshot',
    answer: 'json',
    result: async () => (await load.snapshots()).snapshotView,
  },
  snapshotRemove: {
    method: 'DELETE',
    path: `${vm}/snapshots/:snapshot`,
    summary: 'Remove a snapshot',
    answer: 'json',
    result: async () => (await load.system()).done,
  },
  snapshotPrune: {
    method: 'POST',
    path: `${vm}/snapshots/prune`,
    summary: 'Remove its snapshots and checkpoints by their age',
    body: async () => (await load.prune()).snapshotPrune,
    answer: 'json',
    result: async () => (await load.prune()).snapshotsPruned,
  },
  checkpointCreate: {
    method: 'POST',
    path: `${vm}/checkpoints`,
    summary: 'Copy the state and the files of its applications',
    body: async () => (await load.checkpoints()).checkpointCreate,
    answer: 'events',
    result: async () => (await load.checkpoints()).checkpointCreated,
  },
  restoreLocal: {
    method: 'POST',
    path: `${vm}/restore`,
    summary: 'Go back to a snapshot of this host',
    body: async () => (await load.snapshots()).restoreLocal,
    answer: 'events',
    result: async () => (await load.snapshots()).restored,
  },
  teleport: {
    method: 'POST',
    path: `${vm}/teleport`,
    summary:
      'Suspend here and publish; for a host that cannot run it, a checkpoint in its place where that is allowed',
    body: async () => (await load.teleports()).teleport,
    answer: 'events',
    result: async () => (await load.teleports()).teleported,
  },
  restoreFromStore: {
    method: 'POST',
    path: '/v1/restores',
    summary: 'Claim a VM at rest in a store and run it here',
    body: async () => (await load.snapshots()).restoreFromStore,
    answer: 'events',
    result: async () => (await load.snapshots()).restored,
  },
};
