import type { Routes } from './routes.ts';

const load = { care: () => import('./package-care.ts') } as const;

export const packageCareRoutes: Pick<
  Routes,
  'packageVerify' | 'packageCollect' | 'packagePrune' | 'packageCopy'
> = {
  packageVerify: {
    method: 'POST',
    path: '/v1/packages/verify',
    summary: 'Read and check packages of a store',
    body: async () => (await load.care()).packageVerify,
    answer: 'events',
    result: async () => (await load.care()).packageVerified,
  },
  packageCollect: {
    method: 'POST',
    path: '/v1/packages/collect',
    summary: 'Remove what no package of a store needs',
    body: async () => (await load.care()).packageCollect,
    answer: 'events',
    result: async () => (await load.care()).packageCollected,
  },
  packagePrune: {
    method: 'POST',
    path: '/v1/packages/prune',
    summary: 'Remove packages by their age',
    body: async () => (await load.care()).packagePrune,
    answer: 'events',
    result: async () => (await load.care()).packagePruned,
  },
  packageCopy: {
    method: 'POST',
    path: '/v1/packages/copy',
    summary: 'Copy a package to another store',
    body: async () => (await load.care()).packageCopy,
    answer: 'events',
    result: async () => (await load.care()).packageCopied,
  },
};
