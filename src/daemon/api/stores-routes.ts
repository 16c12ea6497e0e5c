import type { Routes } from './routes.ts';

const load = {
  hosts: () => import('./store-hosts.ts'),
  packages: () => import('./packages.ts'),
  stores: () => import('./stores.ts'),
  system: () => import('./system.ts'),
} as const;

/** Stores as such: whether they are encrypted, and for whom. */
export const storesRoutes: Pick<
  Routes,
  'storeShow' | 'storeInit' | 'storeRecipients' | 'storeRotate' | 'storeHosts' | 'storeJoin' | 'storeForget'
> = {
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
  storeHosts: {
    method: 'GET',
    path: '/v1/stores/hosts',
    summary: 'What hosts that use a store say of themselves',
    query: async () => (await load.packages()).storeQuery,
    answer: 'json',
    result: async () => (await load.hosts()).storeHosts,
  },
  storeJoin: {
    method: 'POST',
    path: '/v1/stores/hosts',
    summary: 'Tell a store what this host can run',
    body: async () => (await load.hosts()).storeJoin,
    answer: 'json',
    result: async () => (await load.hosts()).storeHostJoined,
  },
  storeForget: {
    method: 'DELETE',
    path: '/v1/stores/hosts/:host',
    summary: 'Remove what a host said of itself',
    query: async () => (await load.packages()).storeQuery,
    answer: 'json',
    result: async () => (await load.system()).done,
  },
};
