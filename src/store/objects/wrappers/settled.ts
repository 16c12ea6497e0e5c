/**
 * Finds out how a write ended whose answer was lost, by looking at the object:
 *
 *     try ── written ──────────────────────────────────────────────▶ written
 *      │ refused, or nobody knows
 *      ▼
 *     read ── our write id ────────────────────────────────────────▶ written
 *      │  └── the condition still holds: not done (yet) ── pause ──▶ try again, the same
 *      └───── another's id ───── a try's outcome was unknown ──────▶ overtaken
 *                             └─ every try was refused ────────────▶ refused
 *
 * The same request is repeated under the same condition only, so a late copy of the first cannot do harm: one of the two is
 * refused, and the bytes are the same. Even a plain refusal is looked at, for it may be the echo of our own write that
 * something on the way had sent twice. A store that keeps no ids loses no answers either, but for a disk that fails in the moment of
 * the write: there the bytes must do.
 */
import type { Bytes } from '../../../base/bytes.ts';
import { equalBytes } from '../../../base/bytes.ts';
import { checkParts } from '../check-arguments.ts';
import type {
  ActOptions,
  ETag,
  ObjectStore,
  PutOptions,
  PutOutcome,
  Upload,
  UploadedPart,
} from '../object-store.ts';
import { StoreTrouble, isStoreTrouble } from '../store-trouble.ts';
import { missingUpload } from '../told-troubles.ts';
import { BackOff } from './back-off.ts';
import type { BackOffEnv } from './back-off.ts';
import { passOn } from './wrap-objects.ts';

/** @param inner whose acts are retried already, where that is safe without looking. */
export function settled(inner: ObjectStore, env: BackOffEnv): ObjectStore {
  return {
    ...passOn(inner),
    putIfAbsent: async (key, bytes, options = {}) => {
      const named = { ...options, writeId: env.random.uuid() };
      return await settle(env, {
        key,
        write: async () => await inner.putIfAbsent(key, bytes, named),
        read: async () => await look(inner, key, bytes, named),
        mayStillWrite: (found) => found === null,
        signal: options.signal,
      });
    },
    putIfMatch: async (key, etag, bytes, options = {}) => {
      const named = { ...options, writeId: env.random.uuid() };
      return await settle(env, {
        key,
        write: async () => await inner.putIfMatch(key, etag, bytes, named),
        read: async () => await look(inner, key, bytes, named),
        mayStillWrite: (found) => found?.etag === etag,
        signal: options.signal,
      });
    },
    completeUpload: async (upload, parts, options = {}) =>
      await settleUpload(env, inner, upload, parts, options),
  };
}

interface Found {
  readonly etag: ETag;
  /** `perhaps`: the bytes are ours, and may be another's too. */
  readonly isOurs: 'yes' | 'perhaps' | 'no';
}

interface ConditionalWrite {
  readonly key: string;
  readonly write: () => Promise<PutOutcome>;
  readonly read: () => Promise<Found | null>;
  readonly mayStillWrite: (found: Found | null) => boolean;
  readonly signal: AbortSignal | undefined;
}

async function settle(
  env: BackOffEnv,
  { key, write, read, mayStillWrite, signal }: ConditionalWrite,
): Promise<PutOutcome> {
  const backOff = new BackOff(env);
  let isUnsure = false;
  for (;;) {
    let trouble: StoreTrouble | null = null;
    try {
      const outcome = await write();
      if (outcome.result === 'written') return outcome;
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      isUnsure ||= error.isOutcomeUnknown;
      // What surely was not done has been tried again already, where that helps.
      if (!isUnsure) throw error;
      trouble = error;
    }
    const found = await lookFor(key, read, isUnsure);
    if (found?.isOurs === 'yes' || (isUnsure && found?.isOurs === 'perhaps'))
      return { result: 'written', etag: found.etag };
    if (!mayStillWrite(found)) return { result: isUnsure ? 'overtaken' : 'refused' };
    if (await backOff.pause(signal)) continue;
    throw unsettled(key, trouble, isUnsure);
  }
}

/** A look that fails leaves what was not known unknown. */
async function lookFor(
  key: string,
  read: () => Promise<Found | null>,
  isUnsure: boolean,
): Promise<Found | null> {
  try {
    return await read();
  } catch (error) {
    if (!isUnsure || !isStoreTrouble(error)) throw error;
    throw unsettled(key, error, isUnsure);
  }
}

function unsettled(key: string, cause: StoreTrouble | null, isOutcomeUnknown: boolean): StoreTrouble {
  const sentence = isOutcomeUnknown
    ? `whether ${key} was written is not known, since the store does not answer reliably: look at it before you go on.`
    : `${key} could not be written, since the store refuses it though nothing is in the way: try again later.`;
  return new StoreTrouble(cause?.kind ?? 'unavailable', sentence, {
    cause,
    isOutcomeUnknown,
    data: cause?.data ?? {},
  });
}

async function look(
  inner: ObjectStore,
  key: string,
  bytes: Bytes,
  { writeId, signal }: PutOptions,
): Promise<Found | null> {
  const range = { offset: 0, length: Math.max(1, bytes.byteLength) };
  const found = await inner.get(key, { range, ...(signal === undefined ? {} : { signal }) });
  if (found === null) return null;
  const { etag } = found;
  if (found.writeId !== undefined) return { etag, isOurs: found.writeId === writeId ? 'yes' : 'no' };
  const isAlike = found.sizeBytes === bytes.byteLength && equalBytes(found.bytes, bytes);
  return { etag, isOurs: isAlike ? 'perhaps' : 'no' };
}

/** An upload that is over is not listed any more; then the object says how it ended. */
async function settleUpload(
  env: BackOffEnv,
  inner: ObjectStore,
  upload: Upload,
  parts: readonly UploadedPart[],
  options: ActOptions,
): Promise<void> {
  const sizeBytes = checkParts(upload, parts);
  const backOff = new BackOff(env);
  for (let isUnsure = false; ;) {
    try {
      await inner.completeUpload(upload, parts, options);
      return;
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      isUnsure ||= error.isOutcomeUnknown;
      if (!isUnsure) throw error;
      const { uploads } = await inner.listUploads({ ...options, prefix: upload.key });
      if (!uploads.some(({ id }) => id === upload.id)) {
        if ((await inner.head(upload.key, options))?.sizeBytes === sizeBytes) return;
        throw missingUpload(upload.key, error);
      }
      if (!(await backOff.pause(options.signal))) throw error;
    }
  }
}
