/** Memory files, compared page by page. */
import assert from 'node:assert/strict';
import { COUNTER_ADDRESS } from './counting-guest.ts';
import { PAGE } from './process-memory.ts';
import type { UnderTest } from './under-test.ts';

const zeroPage = Buffer.alloc(PAGE);

/** @throws AssertionError that names the first page in which two memories differ. */
export function assertSameMemory(one: Buffer, other: Buffer, what: string): void {
  if (one.equals(other)) return;
  assert.equal(one.byteLength, other.byteLength, `${what}: the lengths`);
  for (let at = 0; at < one.byteLength; at += PAGE) {
    assert.ok(pageAt(one, at).equals(pageAt(other, at)), `${what}: page ${at / PAGE} differs`);
  }
}

export async function assertSameFiles(of: UnderTest, one: string, other: string): Promise<void> {
  assertSameMemory(await of.read(one), await of.read(other), `${one} and ${other}`);
}

/**
 * A diff over its base is the whole: each page that has changed is in the diff as it is now, and no page is in it as it never was.
 * (A page that became zero reads as a hole, so it is not told from one that the diff has not.)
 */
export async function assertDiffFits(
  of: UnderTest,
  base: string,
  diff: string,
  whole: string,
): Promise<void> {
  const [before, changes, after] = [await of.read(base), await of.read(diff), await of.read(whole)];
  assert.equal(changes.byteLength, after.byteLength, 'a diff is as long as the memory');
  for (let at = 0; at < after.byteLength; at += PAGE) {
    const page = pageAt(after, at);
    const change = pageAt(changes, at);
    if (page.equals(pageAt(before, at)) && change.equals(zeroPage)) continue;
    assert.ok(change.equals(page), `page ${at / PAGE} of the diff is not as it was in the machine`);
  }
}

/** What the suite's own guest had counted, in a memory file. */
export async function counted(of: UnderTest, name: string): Promise<number> {
  return (await of.read(name)).readUInt32LE(COUNTER_ADDRESS);
}

export function pageAt(memory: Buffer, at: number): Buffer {
  return memory.subarray(at, at + PAGE);
}
