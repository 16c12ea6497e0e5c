import type { ActOptions, ListOptions, ListedObject, ObjectStore } from './object-store.ts';

/** What begins with a prefix, a page at a time, in the order of keys. An object that comes or goes meanwhile may be there or not. */
export async function* listPages(
  objects: Pick<ObjectStore, 'list'>,
  options: Omit<ListOptions, 'after'>,
): AsyncGenerator<readonly ListedObject[]> {
  for (let page = await objects.list(options); ;) {
    yield page.objects;
    if (page.next === null) return;
    page = await objects.list({ ...options, after: page.next });
  }
}

/** Every object whose key begins with `prefix`, as `listPages`. */
export async function* listAll(
  objects: Pick<ObjectStore, 'list'>,
  prefix: string,
  options: ActOptions = {},
): AsyncGenerator<ListedObject> {
  for await (const page of listPages(objects, { ...options, prefix })) yield* page;
}
