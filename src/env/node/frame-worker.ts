/** A thread of the frame pool: takes a request, answers it, takes the next. */
import { isMarkedAsUntransferable, parentPort } from 'node:worker_threads';
import { defined } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import { FrameDamaged } from '../frame-damaged.ts';
import { frameWork } from './frame-work.ts';
import type { FrameAnswer, FrameRequest, FrameResult, FrameTask } from './frame-messages.ts';

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
    return task.kind === 'pack'
      ? { kind: 'packed', packed: frameWork.pack(task.raw, task.seal) }
      : { kind: 'unpacked', raw: frameWork.unpack(task.packed, task.rawBytes, task.seal) };
  } catch (error) {
    return error instanceof FrameDamaged
      ? { kind: 'damaged', damage: error.damage }
      : { kind: 'failed', error };
  }
}

/** What is moved to the pool's thread. */
function buffersOf(result: FrameResult): readonly ArrayBuffer[] {
  if (result.kind !== 'packed' && result.kind !== 'unpacked') return [];
  const { buffer } = result.kind === 'packed' ? result.packed.bytes : result.raw;
  return buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer) ? [buffer] : [];
}
