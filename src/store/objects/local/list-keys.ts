import type { ListOptions, ListedObject } from '../object-store.ts';
import { isObjectKey } from '../object-key.ts';
import type { ObjectTree } from './object-tree.ts';

/** Objects under a prefix and after a key, in the order of their keys. Looks at no more files than it yields and skips. */
export async function* listKeys(
  tree: ObjectTree,
  { prefix, after = '', signal }: ListOptions,
): AsyncGenerator<ListedObject> {
  yield* listDirectory('');

  /** @param directory of keys: empty, or with a slash at its end. */
  async function* listDirectory(directory: string): AsyncGenerator<ListedObject> {
    signal?.throwIfAborted();
    const path = directory === '' ? tree.root : tree.pathOf(directory.slice(0, -1));
    const names = await tree.ifThere(async () => await tree.env.files.list(path));
    if (names === null) return;
    await tree.env.files.syncDirectory(path);
    // What is in a directory `a` comes after the object `a-b`, whose name sorts after `a` but whose key before `a/`.
    const delayed: string[] = [];
    const candidates = names
      .map((name) => `${directory}${name}`)
      .filter(isObjectKey)
      .filter(mayMatter);
    for (const key of candidates.toSorted()) {
      for (let last = delayed.at(-1); last !== undefined && `${last}/` < key; last = delayed.at(-1)) {
        delayed.pop();
        yield* listDirectory(`${last}/`);
      }
      const stat = await tree.ifThere(async () => await tree.env.files.stat(tree.pathOf(key)));
      if (stat?.kind === 'directory') delayed.push(key);
      else if (stat?.kind === 'file' && key > after && key.startsWith(prefix))
        yield { key, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs };
    }
    for (const last of delayed.toReversed()) yield* listDirectory(`${last}/`);
  }

  /** Whether the object of this name, or one in the directory of this name, can be wanted. */
  function mayMatter(key: string): boolean {
    if (!key.startsWith(prefix) && !prefix.startsWith(`${key}/`)) return false;
    return key > after || after.startsWith(`${key}/`) || `${key}/` > after;
  }
}
