import type { Act, ObjectStore } from '../object-store.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import { BackOff } from './back-off.ts';
import type { BackOffEnv } from './back-off.ts';
import { wrapObjects } from './wrap-objects.ts';

/**
 * Acts that end the same when they are done twice. The others are left to `settled`, which looks before it repeats them, unless the
 * failure says that nothing was done. A second `startUpload` leaves an upload that nobody knows; those are swept by age.
 */
const repeatable: ReadonlySet<Act> = new Set<Act>([
  'get',
  'head',
  'list',
  'listUploads',
  'put',
  'putPart',
  'delete',
  'startUpload',
  'abortUpload',
]);

/** Tries again, with back-off, what may help and cannot harm. @throws what the last try has thrown. */
export function retrying(inner: ObjectStore, env: BackOffEnv, onRetry?: (act: Act) => void): ObjectStore {
  return wrapObjects(inner, async ({ act, signal }, run) => {
    const backOff = new BackOff(env);
    for (;;) {
      try {
        return await run();
      } catch (error) {
        const isSafe = isStoreTrouble(error) && (repeatable.has(act) || !error.isOutcomeUnknown);
        if (!isSafe || !error.isRetryable || !(await backOff.pause(signal))) throw error;
      }
      onRetry?.(act);
    }
  });
}
