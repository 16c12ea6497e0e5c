/** Troubles that every implementation has in the same words. */
import { StoreTrouble } from './store-trouble.ts';

export function changedObject(key: string, cause?: unknown): StoreTrouble {
  return new StoreTrouble('changed', `${key} was replaced while it was read: begin again.`, { cause });
}

export function missingUpload(key: string, cause?: unknown): StoreTrouble {
  return new StoreTrouble(
    'upload_missing',
    `the upload of ${key} is over, or lacks a part: begin it again.`,
    { cause },
  );
}
