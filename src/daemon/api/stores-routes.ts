import type { Routes } from './routes.ts';

const load = { packages: () => import('./packages.ts'), stores: () => import('./stores.ts') } as const;

/** Stores as such: whether they are encrypted, and for whom. */
export const storesRoutes: Pick<Routes, 'storeShow' | 'storeInit' | 'storeRecipients' | 'storeRotate'> = {
  storeShow: {
    method: 'GET',
    path: '/v1/stores',
    summary: 'A store: whether it is encrypted, and for whom',
    query: async () => (await load.packages()).storeQuery,
    answer: 'json',
    result: async () => (await load.stores()).storeView,
  },
  storeInit: {
    method: 'POST',
    path: '/v1/stores',
    summary: 'Make an encrypted store where there is none',
    body: async () => (await load.stores()).storeInit,
    answer: 'json',
    result: async () => (await load.stores()).storeKeysView,
  },
  storeRecipients: {
    method: 'POST',
    path: '/v1/stores/recipients',
    summary: 'Add and remove who can read an encrypted store',
    body: async () => (await load.stores()).storeRecipients,
    answer: 'json',
    result: async () => (await load.stores()).storeKeysView,
  },
  storeRotate: {
    method: 'POST',
    path: '/v1/stores/rotate',
    summary: 'Seal what is published from now on with a new key',
    body: async () => (await load.stores()).storeRotate,
    answer: 'json',
    result: async () => (await load.stores()).storeKeysView,
  },
};
