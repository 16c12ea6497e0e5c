import type { Routes } from './routes.ts';

const load = { keys: () => import('./keys.ts') } as const;

/** The keys of this host. Secrets never come or go. */
export const keysRoutes: Pick<Routes, 'keyShow' | 'keyInit' | 'keyTrust' | 'keyDistrust'> = {
  keyShow: {
    method: 'GET',
    path: '/v1/keys',
    summary: 'Public keys of this host, and whom it trusts',
    answer: 'json',
    result: async () => (await load.keys()).keysView,
  },
  keyInit: {
    method: 'POST',
    path: '/v1/keys',
    summary: 'Make the keys that this host lacks',
    body: async () => (await load.keys()).keyInit,
    answer: 'json',
    result: async () => (await load.keys()).keysView,
  },
  keyTrust: {
    method: 'POST',
    path: '/v1/keys/trust',
    summary: 'Trust what is signed by a key',
    body: async () => (await load.keys()).keyTrust,
    answer: 'json',
    result: async () => (await load.keys()).keysView,
  },
  keyDistrust: {
    method: 'POST',
    path: '/v1/keys/distrust',
    summary: 'Take a key off the list of whom this host trusts',
    body: async () => (await load.keys()).keyDistrust,
    answer: 'json',
    result: async () => (await load.keys()).keysView,
  },
};
