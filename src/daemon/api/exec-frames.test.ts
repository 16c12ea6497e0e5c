import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { concat, utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { sessionExit } from './exec.ts';
import { decodeExecFrames, encodeExecFrame, execFrameKinds, readSessionExit } from './exec-frames.ts';
import { EXEC_FRAME_BYTES_MAX } from './limits.ts';
import type { ExecFrame, ExecFrameKind } from './exec-frames.ts';

const kinds = Object.keys(execFrameKinds).filter((kind): kind is ExecFrameKind => kind in execFrameKinds);

async function decode(chunks: Iterable<Uint8Array>): Promise<readonly ExecFrame[]> {
  return Array.fromAsync(decodeExecFrames(each(chunks)));
}

async function* each(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

test('frames come back as they were, however the bytes are cut', async () => {
  const frame = fc.record(
    { kind: fc.constantFrom(...kinds), payload: fc.uint8Array({ maxLength: 300 }) },
    { noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 10 }),
      fc.array(fc.nat(400), { maxLength: 10 }),
      async (frames, cuts) => {
        const bytes = concat(frames.map(({ kind, payload }) => encodeExecFrame(kind, payload)));
        const chunks: Uint8Array[] = [];
        let start = 0;
        for (const length of cuts) chunks.push(bytes.subarray(start, (start += length)));
        chunks.push(bytes.subarray(start));
        assert.deepEqual(
          (await decode(chunks)).map(({ kind, payload }) => ({ kind, payload: Uint8Array.from(payload) })),
          frames,
        );
      },
    ),
  );
});

test('one byte at a time', async () => {
  const bytes = encodeExecFrame('stdin', utf8('hello'));
  assert.deepEqual(await decode([...bytes].map((byte) => Uint8Array.of(byte))), [
    { kind: 'stdin', payload: utf8('hello') },
  ]);
});

test('lengths over the bound, unknown kinds and cut frames are refused', async () => {
  const long = new Uint8Array([execFrameKinds.stdin, 1, 0, 1, 0]);
  assert.ok(EXEC_FRAME_BYTES_MAX < 0x1_0001);
  for (const bytes of [
    long,
    new Uint8Array([0x99, 0, 0, 0, 0]),
    encodeExecFrame('stdin', utf8('hello')).subarray(0, 7),
  ]) {
    await assert.rejects(decode([bytes]), (error) => isKelpieError(error, 'usage'));
  }
  assert.throws(() => encodeExecFrame('stdin', new Uint8Array(EXEC_FRAME_BYTES_MAX + 1)), {
    code: 'limit_exceeded',
  });
});

test('the exit of a command is read by hand as its schema says', () => {
  const values = [
    { code: 0, timedOut: false },
    { signal: 9, timedOut: true },
    { code: 1.5, timedOut: false },
    { code: '1', timedOut: false },
    { code: 1 },
    { timedOut: false },
    null,
    [],
  ];
  for (const value of values)
    assert.deepEqual(readSessionExit(value), sessionExit.safeParse(value).data ?? null);
});
