import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { QmpLineSplitter } from './qmp-line-splitter.ts';

test('lines come out as they went in, however the stream is cut', () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/\s/g, '_'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat({ max: 20 })), (lines, cuts) => {
      const bytes = utf8(lines.map((text) => `${text}\r\n`).join(''));
      const splitter = new QmpLineSplitter(10_000);
      const read: string[] = [];
      let offset = 0;
      for (const cut of [...cuts, bytes.byteLength]) {
        read.push(...splitter.feed(bytes.subarray(offset, offset + cut)));
        offset += cut;
      }
      assert.deepEqual(read, lines);
    }),
  );
});

test('a chunk may be used again by its reader', () => {
  const splitter = new QmpLineSplitter(100);
  const chunk = utf8('first');
  assert.deepEqual([...splitter.feed(chunk)], []);
  chunk.fill(0x78);
  assert.deepEqual([...splitter.feed(utf8(' line\n'))], ['first line']);
});

test('a line that is too long is refused before it is held', () => {
  const splitter = new QmpLineSplitter(10);
  assert.deepEqual([...splitter.feed(utf8('0123456789\n'))], ['0123456789']);
  assert.deepEqual([...splitter.feed(utf8('01234'))], []);
  assert.throws(
    () => [...splitter.feed(utf8('567890'))],
    (error) => isKelpieError(error, 'vm_backend_failed'),
  );
});

test('bytes that are not UTF-8 are refused', () => {
  const splitter = new QmpLineSplitter(10);
  assert.throws(
    () => [...splitter.feed(Uint8Array.of(0xff, 0x0a))],
    (error) => isKelpieError(error, 'vm_backend_failed'),
  );
});
