import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { checksum } from '../../test/support/fake-guest.ts';
import { concat, hex, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import { encodeFrame, FrameDecoder, frameTypes, guestFrameTypes } from './frame.ts';
import type { Frame } from './frame.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from './limits.ts';
import { channelHeader, readChannelPayload, streams } from './payloads.ts';

function decodeAll(chunks: readonly Bytes[]): Frame[] {
  const decoder = new FrameDecoder(checksum, guestFrameTypes);
  const frames: Frame[] = [];
  for (const chunk of chunks) decoder.decode(chunk, (frame) => frames.push(frame));
  return frames;
}

function* cut(bytes: Bytes, sizes: readonly number[]): Generator<Bytes> {
  let offset = 0;
  for (const size of sizes) {
    yield bytes.subarray(offset, offset + size);
    offset += size;
  }
  yield bytes.subarray(offset);
}

const anyFrame = fc.record({
  type: fc.constantFrom(...guestFrameTypes),
  payload: fc.uint8Array({ maxLength: 300 }),
});
const isTyped = (error: unknown): boolean => isKelpieError(error, 'guest_protocol_error');

suite('frames', () => {
  test('have the bytes of the specification', () => {
    const frame = encodeFrame(checksum, frameTypes.response, utf8('{}'));
    // CRC-32 of the ten bytes before it, computed apart with Python's zlib.
    assert.equal(hex(frame), '4b110000020000007b7da4cedc91');
    const credit = channelHeader({ channel: 0x80000001, stream: streams.stdout, position: 0x1_0000_0002 });
    assert.equal(hex(credit), '01000080010000000200000001000000');
  });

  test('decode to what was encoded, however they are cut and padded', () => {
    const property = fc.property(
      fc.array(fc.tuple(anyFrame, fc.nat(20)), { maxLength: 8 }),
      fc.array(fc.nat(120), { maxLength: 40 }),
      (frames, sizes) => {
        const parts = frames.flatMap(([frame, zeros]) => [
          new Uint8Array(zeros),
          encodeFrame(checksum, frame.type, frame.payload),
        ]);
        const decoded = decodeAll([...cut(concat(parts), sizes)]);
        assert.deepEqual(
          decoded.map(({ type, payload }) => ({ type, payload: hex(payload) })),
          frames.map(([{ type, payload }]) => ({ type, payload: hex(payload) })),
        );
      },
    );
    fc.assert(property);
  });

  test('decode byte by byte, the longest too', () => {
    const payload = new Uint8Array(FRAME_PAYLOAD_BYTES_MAX).map((_, index) => index * 7);
    const bytes = concat([
      encodeFrame(checksum, frameTypes.data, payload),
      encodeFrame(checksum, frameTypes.end),
    ]);
    const frames = decodeAll([
      ...cut(
        bytes,
        Array.from(bytes, () => 1),
      ),
    ]);
    assert.equal(frames.length, 2);
    assert.deepEqual(frames[0]?.payload, payload);
  });

  test('of garbage end in the typed error or in nothing, never in more than the bytes hold', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        const frames = decodeAll([bytes]);
        assert.ok(frames.reduce((sum, frame) => sum + frame.payload.byteLength + 12, 0) <= bytes.byteLength);
      } catch (error) {
        if (!isTyped(error)) throw error;
      }
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test('with any flipped bit are refused or still wanting', () => {
    const property = fc.property(anyFrame, fc.nat(), (frame, at) => {
      const bytes = encodeFrame(checksum, frame.type, frame.payload);
      const bit = at % (bytes.byteLength * 8);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        assert.equal(decodeAll([bytes]).length, 0);
      } catch (error) {
        if (!isTyped(error)) throw error;
      }
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('of a wrong kind are refused before their payload comes', () => {
    const header = (type: number, reserved: number, length: number): Bytes => {
      const bytes = new Uint8Array([0x4b, type, reserved, 0, 0, 0, 0, 0]);
      new DataView(bytes.buffer).setUint32(4, length, true);
      return bytes;
    };
    for (const bytes of [
      header(frameTypes.request, 0, 2),
      header(0x77, 0, 2),
      header(frameTypes.response, 1, 2),
      header(frameTypes.response, 0, FRAME_PAYLOAD_BYTES_MAX + 1),
      header(frameTypes.response, 0, 0xffff_ffff),
      utf8('not a frame'),
    ]) {
      assert.throws(() => decodeAll([bytes]), isTyped);
    }
  });

  test('of channels refuse what is short, unknown or beyond exact numbers', () => {
    const header = channelHeader({ channel: 1, stream: streams.stdout, position: 5 });
    assert.deepEqual(readChannelPayload(header).header, { channel: 1, stream: 1, position: 5 });
    const changed = (index: number, value: number): Bytes => {
      const bytes = header.slice();
      bytes[index] = value;
      return bytes;
    };
    for (const bytes of [header.subarray(1), changed(4, 3), changed(5, 1), changed(7, 1), changed(15, 1)]) {
      assert.throws(() => readChannelPayload(bytes), isTyped);
    }
  });
});
