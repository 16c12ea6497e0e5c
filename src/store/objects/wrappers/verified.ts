import type { Compute } from '../../../env/compute.ts';
import type { GetOptions, ObjectStore, StoredObject } from '../object-store.ts';
import { StoreTrouble } from '../store-trouble.ts';
import { passOn } from './wrap-objects.ts';

/**
 * Refuses answers that cannot be right: a wrong length, another ETag than was asked for, bytes that do not have the digest which the
 * store keeps of them. Bytes that were never right are the business of whoever knows their digest.
 */
export function verified(inner: ObjectStore, compute: Pick<Compute, 'sha256'>): ObjectStore {
  const check = (
    key: string,
    options: GetOptions,
    { bytes, etag, sizeBytes, sha256 }: StoredObject,
  ): string | null => {
    const { offset, length } = options.range ?? { offset: 0, length: sizeBytes };
    if (bytes.byteLength !== Math.max(0, Math.min(length, sizeBytes - offset)))
      return `${key} came with a wrong length`;
    if (options.etag !== undefined && options.etag !== etag)
      return `another version of ${key} came than was asked for`;
    const isWhole = bytes.byteLength === sizeBytes;
    if (sha256 !== undefined && isWhole && compute.sha256(bytes) !== sha256) return `${key} came damaged`;
    return null;
  };
  return {
    ...passOn(inner),
    get: async (key, options = {}) => {
      const object = await inner.get(key, options);
      const fault = object === null ? null : check(key, options, object);
      if (fault === null) return object;
      throw new StoreTrouble('wrong_answer', `${fault} from ${inner.url}: check the network and the store.`, {
        data: { storeUrl: inner.url },
      });
    },
  };
}
