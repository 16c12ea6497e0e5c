import type { Routes } from './routes.ts';

const load = { blobs: () => import('./blobs.ts') } as const;

export const blobRoutes: Pick<Routes, 'blobExport' | 'packageExport' | 'blobImport' | 'blobDeposit'> = {
  blobExport: {
    method: 'POST',
    path: '/v1/vms/:vm/export',
    summary: 'A snapshot of a VM as one stream of bytes',
    query: async () => (await load.blobs()).blobExportQuery,
    answer: 'blob',
    result: async () => (await load.blobs()).blobOpened,
  },
  packageExport: {
    method: 'POST',
    path: '/v1/packages/:package/export',
    summary: 'A package of a store as one stream of bytes',
    query: async () => (await load.blobs()).packageExportQuery,
    answer: 'blob',
    result: async () => (await load.blobs()).blobOpened,
  },
  blobImport: {
    method: 'POST',
    path: '/v1/imports',
    summary: 'A new VM from such a stream',
    query: async () => (await load.blobs()).blobImportQuery,
    body: 'bytes',
    answer: 'events',
    result: async () => (await load.blobs()).blobImported,
  },
  blobDeposit: {
    method: 'POST',
    path: '/v1/packages/import',
    summary: 'A package of a store from such a stream, in which a new VM is at rest',
    query: async () => (await load.blobs()).blobDepositQuery,
    body: 'bytes',
    answer: 'events',
    result: async () => (await load.blobs()).blobDeposited,
  },
};
