import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { patternBytes, streamOf } from '../../../test/support/sample-package.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import { concat, equalBytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import {
  bytesFrame,
  endFrame,
  errorFrame,
  openedFrame,
  progressFrame,
  readBlobFrames,
} from './blob-frames.ts';
import { blobOpened } from './blobs.ts';
import { toProblem } from './problem.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { BlobOpened } from './blobs.ts';

const blob = patternBytes(300, 1);
const opened: BlobOpened = {
  vmId: 'id',
  vmName: 'dev',
  snapshotId: 'id',
  packageId: null,
  version: 2,
  payloadBytes: 999,
};
const begun = concat([...openedFrame(opened), ...bytesFrame(blob.subarray(0, 100))]);
const whole = concat([begun, ...progressFrame(444), ...bytesFrame(blob.subarray(100)), ...endFrame(300)]);

/** @param step length of the chunks that come. */
async function read(
  body: Bytes,
  step = 7,
): Promise<{ readonly opened: BlobOpened; readonly bytes: Bytes; readonly progress: readonly number[] }> {
  const download = await readBlobFrames(streamOf(body, step), blobOpened);
  const parts: Bytes[] = [];
  const progress: number[] = [];
  for await (const part of download.parts) {
    if (part.kind === 'bytes') parts.push(part.bytes.slice());
    else progress.push(part.doneBytes);
  }
  return { opened: download.opened, bytes: concat(parts), progress };
}

test('what is read is what was sent, cut anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: whole.byteLength }), async (step) => {
      const got = await read(whole, step);
      assert.deepEqual(got.opened, opened);
      assert.ok(equalBytes(got.bytes, blob));
      assert.deepEqual(got.progress, [444]);
    }),
  );
});

test('a stream that is cut anywhere is never taken for a whole one', async () => {
  for (let length = 0; length < whole.byteLength; length += 1)
    await refusedAs(read(whole.subarray(0, length), 64), 'daemon_unavailable');
});

test('what goes wrong in the middle is told', async () => {
  const problem = toProblem(
    new KelpieError('snapshot_corrupt', 'the snapshot is damaged: a page is missing.'),
  );
  await refusedAs(read(concat([begun, ...errorFrame(problem)])), 'snapshot_corrupt');
});

test('frames that are not what was told are refused', async () => {
  const bad: readonly (readonly Bytes[])[] = [
    [begun, ...endFrame(99)],
    [begun, ...endFrame(300)],
    [begun, new Uint8Array([3, 0, 0, 0, 0])],
    [begun, new Uint8Array([5, 0, 0, 0, 0])],
    [begun, ...openedFrame(opened)],
    [...bytesFrame(blob)],
    [new Uint8Array([1, 0xff, 0xff, 0xff, 0xff])],
    [begun, new Uint8Array([4, 0xff, 0xff, 0xff, 0xff])],
    [begun, new Uint8Array([4, 1, 0, 0, 0, 0x7b])],
    [begun, new Uint8Array([9, 0, 0, 0, 0])],
  ];
  for (const frames of bad) await refusedAs(read(concat(frames)), 'daemon_unavailable');
});
