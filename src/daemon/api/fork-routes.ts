import type { Routes } from './routes.ts';

const load = { forks: () => import('./forks.ts') } as const;

/** One VM becomes several. */
export const forkRoutes: Pick<Routes, 'fork' | 'forkPackage'> = {
  fork: {
    method: 'POST',
    path: '/v1/vms/:vm/fork',
    summary: 'Run copies of a VM, or of one of its snapshots',
    body: async () => (await load.forks()).fork,
    answer: 'events',
    result: async () => (await load.forks()).forked,
  },
  forkPackage: {
    method: 'POST',
    path: '/v1/forks',
    summary: 'Run copies of a package of a store',
    body: async () => (await load.forks()).forkPackage,
    answer: 'events',
    result: async () => (await load.forks()).forked,
  },
};
