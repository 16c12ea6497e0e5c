import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  collectBytes,
  concat,
  equalBytes,
  freeBytes,
  fromHex,
  fromUtf8,
  fromUtf8Lossy,
  hex,
  takeOver,
  utf8,
  viewOf,
} from './bytes.ts';

test('text survives the way to bytes and back, byte order marks too', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => fromUtf8(utf8(text)) === text));
  assert.equal(fromUtf8(utf8('\uFEFFkelpie')), '\uFEFFkelpie');
  assert.equal(fromUtf8Lossy(utf8('\uFEFFkelpie')), '\uFEFFkelpie');
});

test('bytes that are not UTF-8 are refused, or shown as well as they can be', () => {
  const broken = Uint8Array.of(0x6b, 0xff, 0x70);
  assert.throws(() => fromUtf8(broken), TypeError);
  assert.equal(fromUtf8Lossy(broken), 'k\uFFFDp');
});

test('hexadecimal digits and bytes are each other', () => {
  assert.equal(hex(Uint8Array.of(0, 10, 255)), '000aff');
  fc.assert(fc.property(fc.uint8Array(), (bytes) => equalBytes(fromHex(hex(bytes)), bytes)));
  assert.deepEqual(fromHex('00FFaB'), Uint8Array.of(0, 255, 171));
});

test('joining cuts keeps the bytes', () => {
  const cuts = fc.uint8Array().chain((bytes) => fc.tuple(fc.constant(bytes), fc.nat(bytes.length)));
  fc.assert(
    fc.property(cuts, ([bytes, cut]) =>
      equalBytes(concat([bytes.subarray(0, cut), new Uint8Array(), bytes.subarray(cut)]), bytes),
    ),
  );
  assert.equal(concat([]).byteLength, 0);
});

test('a stream is collected up to its bound, and left when it is longer', async () => {
  let isLeft = false;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield Uint8Array.of(1, 2);
      yield Uint8Array.of(3);
      await Promise.resolve();
    } finally {
      isLeft = true;
    }
  }
  const tooLong = (): Error => new RangeError('too long');
  assert.deepEqual(await collectBytes(chunks(), 3, tooLong), Uint8Array.of(1, 2, 3));
  isLeft = false;
  await assert.rejects(collectBytes(chunks(), 2, tooLong), RangeError);
  assert.ok(isLeft);
});

test('equality is of contents and length', () => {
  assert.ok(equalBytes(utf8('abc').subarray(1), utf8('bc')));
  assert.ok(!equalBytes(utf8('ab'), utf8('abc')));
  assert.ok(!equalBytes(utf8('abd'), utf8('abc')));
});

test('a view lies over the same memory as its bytes, wherever they begin', () => {
  const whole = new Uint8Array(8);
  viewOf(whole.subarray(3)).setUint16(1, 0x1234, true);
  assert.deepEqual([...whole], [0, 0, 0, 0, 0x34, 0x12, 0, 0]);
  assert.throws(() => viewOf(whole.subarray(3, 5)).getUint32(0), RangeError);
});

test('what is taken over is gone, unless it is a part of something', () => {
  const whole = Uint8Array.of(1, 2, 3);
  assert.deepEqual(takeOver(whole), Uint8Array.of(1, 2, 3));
  assert.equal(whole.byteLength, 0);
  const around = Uint8Array.of(1, 2, 3, 4);
  const taken = takeOver(around.subarray(1, 3));
  around.fill(9);
  assert.deepEqual(taken, Uint8Array.of(2, 3));
  assert.equal(taken.buffer.byteLength, 2);
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  assert.deepEqual(takeOver(shared), new Uint8Array(2));
  assert.equal(shared.byteLength, 2);
});

test('large buffers are freed with all that shows them, and small ones left alone', () => {
  const large = new Uint8Array(1 << 20);
  const part = large.subarray(5, 10);
  freeBytes(part);
  assert.deepEqual([large.byteLength, part.byteLength], [0, 0]);
  freeBytes(part);
  const small = new Uint8Array(100);
  freeBytes(small);
  assert.equal(small.byteLength, 100);
});
