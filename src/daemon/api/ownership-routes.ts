import type { Routes } from './routes.ts';

const load = { ownership: () => import('./ownership.ts'), system: () => import('./system.ts') } as const;

/** For hosts that vanish, and come back. */
export const ownershipRoutes: Pick<Routes, 'who' | 'reclaim' | 'repair'> = {
  who: {
    method: 'GET',
    path: '/v1/vms/:vm/who',
    summary: 'Who may run a VM, and why; of a store, or of this host',
    query: async () => (await load.ownership()).whoQuery,
    answer: 'json',
    result: async () => (await load.ownership()).whoView,
  },
  reclaim: {
    method: 'POST',
    path: '/v1/reclaims',
    summary: 'Put a VM to rest whose host is gone',
    body: async () => (await load.ownership()).reclaimBody,
    answer: 'events',
    result: async () => (await load.ownership()).reclaimed,
  },
  repair: {
    method: 'POST',
    path: '/v1/doctor/repair',
    summary: 'Remove and settle what was left behind',
    answer: 'json',
    result: async () => (await load.system()).doctorReport,
  },
};
