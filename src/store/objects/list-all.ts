import type { ActOptions, ListedObject, ObjectStore } from './object-store.ts';

/** Every object whose key begins with `prefix`, in the order of keys, by pages. An object that comes or goes meanwhile may be there or not. */
export async function* listAll(
  objects: Pick<ObjectStore, 'list'>,
  prefix: string,
  options: ActOptions = {},
): AsyncGenerator<ListedObject> {
  for (let page = await objects.list({ ...options, prefix }); ;) {
    yield* page.objects;
    if (page.next === null) return;
    page = await objects.list({ ...options, prefix, after: page.next });
  }
}
