import type { Act, ObjectStore } from '../object-store.ts';

/** One call on its way through a wrapper. */
export interface Call {
  readonly act: Act;
  readonly sentBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Runs `call` once, several times, later, or not at all. */
export type Around = <T>(call: Call, run: () => Promise<T>) => Promise<T>;

/** The same store, each act of which goes through `around`: what most wrappers are. */
export function wrapObjects(inner: ObjectStore, around: Around): ObjectStore {
  const call = (act: Act, options?: { readonly signal?: AbortSignal }, sentBytes = 0): Call => ({
    act,
    sentBytes,
    signal: options?.signal,
  });
  return {
    url: inner.url,
    get: async (key, options) =>
      await around(call('get', options), async () => await inner.get(key, options)),
    head: async (key, options) =>
      await around(call('head', options), async () => await inner.head(key, options)),
    put: async (key, bytes, options) =>
      await around(call('put', options, bytes.byteLength), async () => await inner.put(key, bytes, options)),
    putIfAbsent: async (key, bytes, options) =>
      await around(
        call('putIfAbsent', options, bytes.byteLength),
        async () => await inner.putIfAbsent(key, bytes, options),
      ),
    putIfMatch: async (key, etag, bytes, options) =>
      await around(
        call('putIfMatch', options, bytes.byteLength),
        async () => await inner.putIfMatch(key, etag, bytes, options),
      ),
    delete: async (key, options) =>
      await around(call('delete', options), async () => await inner.delete(key, options)),
    list: async (options) => await around(call('list', options), async () => await inner.list(options)),
    startUpload: async (key, partBytes, options) =>
      await around(
        call('startUpload', options),
        async () => await inner.startUpload(key, partBytes, options),
      ),
    putPart: async (upload, number, bytes, options) =>
      await around(
        call('putPart', options, bytes.byteLength),
        async () => await inner.putPart(upload, number, bytes, options),
      ),
    completeUpload: async (upload, parts, options) =>
      await around(
        call('completeUpload', options),
        async () => await inner.completeUpload(upload, parts, options),
      ),
    abortUpload: async (upload, options) =>
      await around(call('abortUpload', options), async () => await inner.abortUpload(upload, options)),
    listUploads: async (options) =>
      await around(call('listUploads', options), async () => await inner.listUploads(options)),
  };
}

/** The same store, to be spread under the few acts that a wrapper changes: those of a store itself are methods, which a spread leaves out. */
export function passOn(inner: ObjectStore): ObjectStore {
  return wrapObjects(inner, async (_, run) => await run());
}
