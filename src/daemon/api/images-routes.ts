import type { Routes } from './routes.ts';

const load = { images: () => import('./images.ts'), system: () => import('./system.ts') } as const;

/** Base images of this host. */
export const imageRoutes: Pick<Routes, 'imageList' | 'imageBuild' | 'imageRemove'> = {
  imageList: {
    method: 'GET',
    path: '/v1/images',
    summary: 'Images of this host',
    answer: 'json',
    result: async () => (await load.images()).imageList,
  },
  imageBuild: {
    method: 'POST',
    path: '/v1/images',
    summary: 'Build a base image',
    body: async () => (await load.images()).imageBuild,
    answer: 'events',
    result: async () => (await load.images()).imageBuilt,
  },
  imageRemove: {
    method: 'DELETE',
    path: '/v1/images/:image',
    summary: 'Remove an image',
    answer: 'json',
    result: async () => (await load.system()).done,
  },
};
