import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, hex } from '../../base/bytes.ts';
import { VarintReader, VarintWriter, unzigzag, zigzag } from './varints.ts';

function written(values: readonly number[]): Uint8Array {
  const writer = new VarintWriter();
  for (const value of values) writer.write(value);
  return writer.finish();
}

const reader = (digits: string): VarintReader => new VarintReader(fromHex(digits), (what) => new Error(what));

describe('varints', () => {
  it('are read as they were written, in as few bytes as they need', () => {
    const value = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    fc.assert(
      fc.property(fc.array(value, { maxLength: 1000 }), (values) => {
        const bytes = written(values);
        const back = new VarintReader(bytes, (what) => new Error(what));
        assert.deepEqual(
          values.map(() => back.read()),
          values,
        );
        assert.ok(back.isAtEnd);
      }),
    );
    assert.equal(hex(written([0, 127, 128, 300, 2 ** 32 - 1])), '007f8001ac02ffffffff0f');
  });

  it('fold signed numbers and unfold them', () => {
    assert.deepEqual([0, -1, 1, -2, 2].map(zigzag), [0, 1, 2, 3, 4]);
    fc.assert(
      fc.property(
        fc.maxSafeInteger(),
        (value) => Math.abs(value) > 2 ** 50 || unzigzag(zigzag(value)) === value,
      ),
    );
  });

  it('are refused when they end early, overflow, or are longer than need be', () => {
    assert.throws(() => reader('').read(), /ends within/);
    assert.throws(() => reader('80').read(), /ends within/);
    assert.throws(() => reader('ffffffff1f').read(), /too large/);
    assert.throws(() => reader('ffffffffff01').read(), /too long/);
    assert.throws(() => reader('8000').read(), /longer than/);
    assert.equal(reader('ffffffff0f').read(), 2 ** 32 - 1);
  });

  it('are not written for what is no such number', () => {
    for (const value of [-1, 2 ** 32, 0.5, Number.NaN])
      assert.throws(() => written([value]), /assertion failed/);
  });
});
