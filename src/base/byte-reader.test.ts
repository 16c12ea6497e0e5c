import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from './byte-reader.ts';
import type { Bytes } from './bytes.ts';

async function* chunks(...lengths: readonly number[]): AsyncGenerator<Bytes> {
  let value = 0;
  for (const length of lengths) yield await Promise.resolve(Uint8Array.from({ length }, () => (value += 1)));
}

const reader = (...lengths: readonly number[]): ByteReader =>
  new ByteReader(chunks(...lengths), () => new RangeError('cut short'));

test('lengths do not depend on how the stream is cut', async () => {
  for (const lengths of [[9], [1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 4, 0, 5, 0]]) {
    const source = reader(...lengths);
    assert.deepEqual(await source.exactly(4), new Uint8Array([1, 2, 3, 4]));
    const into = new Uint8Array(3);
    await source.readInto(into);
    assert.deepEqual(into, new Uint8Array([5, 6, 7]));
    for await (const part of source.take(1)) assert.deepEqual(part.slice(), new Uint8Array([8]));
    assert.deepEqual(await source.exactly(1), new Uint8Array([9]));
    assert.equal(await source.next(1), null);
    assert.equal(await source.exactly(1), null);
  }
});

test('a stream that ends inside what is asked for is refused', async () => {
  await assert.rejects(reader(2).exactly(3), RangeError);
  await assert.rejects(reader(2).readInto(new Uint8Array(3)), RangeError);
  await assert.rejects(reader().readInto(new Uint8Array(1)), RangeError);
  await assert.rejects(async () => {
    let taken = 0;
    for await (const part of reader(2).take(3)) taken += part.byteLength;
    assert.fail(`${taken} bytes were enough`);
  }, RangeError);
});
