import { closeSync, copyFileSync, openSync, readSync, writeSync } from 'node:fs';
import { PAGE_BYTES } from '../../src/base/units.ts';

/** One of so many pages that are not zero: about what a VM writes in a quiet minute. */
const CHANGED_OF = 40;

/** A memory image like `source`, of which some pages are changed a little: always the same ones. */
export function makeChangedImage(source: string, target: string): void {
  copyFileSync(source, target);
  const file = openSync(target, 'r+');
  const page = Buffer.alloc(PAGE_BYTES);
  const zeros = Buffer.alloc(PAGE_BYTES);
  let pages = 0;
  for (let offset = 0; readSync(file, page, 0, PAGE_BYTES, offset) === PAGE_BYTES; offset += PAGE_BYTES) {
    if (page.equals(zeros)) continue;
    pages += 1;
    if (pages % CHANGED_OF !== 0) continue;
    for (let at = 0; at < PAGE_BYTES; at += 64) page[at] = ((page[at] ?? 0) + pages + at) & 0xff;
    writeSync(file, page, 0, PAGE_BYTES, offset);
  }
  closeSync(file);
}
