/** A thread of the frame pool: takes a request, answers it, takes the next. */
import { writeSync } from 'node:fs';
import { isMarkedAsUntransferable, parentPort } from 'node:worker_threads';
import { defined } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import { FrameDamaged } from '../frame-damaged.ts';
import { SystemError } from '../system-error.ts';
import { frameWork } from './frame-work.ts';
import { toSystemError } from './system-errors.ts';
import { transferAll } from './transfer.ts';
import { FRAME_BYTES_MAX } from '../compute.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FrameSeal } from '../compute.ts';
import type {
  FrameAnswer,
  FrameRequest,
  FrameResult,
  FrameTargetMessage,
  FrameTask,
} from './frame-messages.ts';

const port = defined(parentPort, 'the pool that started this thread');

port.on('message', ({ id, task }: FrameRequest) => {
  const taken = task.kind === 'pack' ? task.raw : task.packed.bytes;
  const result = resultOf(task);
  const answer: FrameAnswer = { id, result };
  port.postMessage(answer, buffersOf(result));
  // Empty already when it is what was answered.
  freeBytes(taken);
});

function resultOf(task: FrameTask): FrameResult {
  try {
    if (task.kind === 'pack') return packed(task.raw, task.seal);
    const raw = frameWork.unpack(task.packed, task.rawBytes, task.seal);
    return task.target === null ? { kind: 'unpacked', raw } : written(task.target, raw);
  } catch (error) {
    return error instanceof FrameDamaged
      ? { kind: 'damaged', damage: error.damage }
      : { kind: 'failed', error };
  }
}

function packed(raw: Uint8Array<ArrayBuffer>, seal: FrameSeal | null): FrameResult {
  const frame = frameWork.pack(raw, seal);
  const isUsed = frame.bytes.buffer !== raw.buffer && raw.byteLength === FRAME_BYTES_MAX;
  return { kind: 'packed', packed: frame, used: isUsed ? raw : null };
}

function written({ fd, places }: FrameTargetMessage, raw: Bytes): FrameResult {
  try {
    for (let index = 0; index < places.length; index += 3) {
      const [start = 0, length = 0, offset = 0] = places.subarray(index, index + 3);
      if (!transferAll(writeSync, fd, raw, { start, length, offset }))
        return { kind: 'refused', errno: 'EIO' };
    }
    return { kind: 'written' };
  } catch (error) {
    const told = toSystemError(error, 'write', 'the target of a frame');
    return told instanceof SystemError ? { kind: 'refused', errno: told.errno } : { kind: 'failed', error };
  } finally {
    freeBytes(raw);
  }
}

/** What is moved to the pool's thread. */
function buffersOf(result: FrameResult): readonly ArrayBuffer[] {
  if (result.kind !== 'packed' && result.kind !== 'unpacked') return [];
  const { buffer } = result.kind === 'packed' ? result.packed.bytes : result.raw;
  const used = result.kind === 'packed' && result.used !== null ? [result.used.buffer] : [];
  return buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer) ? [buffer, ...used] : used;
}
