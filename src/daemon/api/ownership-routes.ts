import type { Routes } from './routes.ts';

const load = { ownership: () => import('./ownership.ts') } as const;

export const ownershipRoutes: Pick<Routes, 'who' | 'reclaim'> = {
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
};
