/** The file of a guest's application in a page of its memory: its length, and its bytes. */
import { viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';

export const NOTES_BYTES_MAX = 3000;

export function notesIn(page: Bytes): Bytes {
  const length = Math.min(NOTES_BYTES_MAX, viewOf(page).getUint32(0, true));
  return page.slice(4, 4 + length);
}

export function putNotes(page: Bytes, notes: Bytes): void {
  page.fill(0);
  viewOf(page).setUint32(0, notes.byteLength, true);
  page.set(notes.subarray(0, NOTES_BYTES_MAX), 4);
}
