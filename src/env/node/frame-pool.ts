/**
 * Threads that pack and unpack frames. (libuv's own pool does zstd and digests too, but two of its threads were hardly
 * faster than one.)
 *
 *     call ──▶ waiting ──a thread has room──▶ under way ──▶ answered
 *                                                 └── the thread ended: failed; the calls that wait get another thread
 *
 * A thread is started only for a call, so one that cannot start or ends at once takes a call with it, and nothing is tried for
 * ever. One that was idle for a while is ended, and its memory with it. Busy ones keep the process alive, idle ones do not.
 */
import { assert } from '../../base/assert.ts';
import { freeBytes } from '../../base/bytes.ts';
import { asError } from '../../base/errors.ts';
import { FRAME_BYTES_MAX, FRAME_CALLS_MAX } from '../compute.ts';
import { FrameDamaged } from '../frame-damaged.ts';
import { SystemError } from '../system-error.ts';
import { failureOf, FrameThread } from './frame-thread.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FrameSeal, FrameTarget, PackedFrame } from '../compute.ts';
import type { NodeFileHandle } from './file-handle.ts';
import type { FrameResult, FrameTask } from './frame-messages.ts';
import type { FrameJob } from './frame-thread.ts';

/** A start takes 40 ms: longer than between two operations, shorter than somebody looks at the memory of an idle daemon. */
const IDLE_MS = 10_000;

// The sources run as they are in a clone, and compiled in a package.
const workerProgram = new URL(
  import.meta.url.endsWith('.ts') ? './frame-worker.ts' : './frame-worker.js',
  import.meta.url,
);

type OwnBytes = Uint8Array<ArrayBuffer>;
type OwnFrame = PackedFrame & { readonly bytes: OwnBytes };

export interface FramePoolOptions {
  readonly threadsMax: number;
  /** Jobs that a thread has at a time. */
  readonly threadJobsMax: number;
  readonly idleMs?: number;
  /** Another program than ours; for tests. */
  readonly program?: URL;
}

export class FramePool {
  private readonly options: Required<FramePoolOptions>;
  private readonly threads = new Set<FrameThread>();
  private readonly waiting: FrameJob[] = [];
  /** Buffers of frames that were packed. */
  private readonly used: OwnBytes[] = [];

  constructor(options: FramePoolOptions) {
    this.options = { idleMs: IDLE_MS, program: workerProgram, ...options };
  }

  /** As many as the threads have, and one that is filled meanwhile. */
  private get usedMax(): number {
    return this.options.threadsMax * this.options.threadJobsMax + 1;
  }

  /** Threads that there are now. */
  get size(): number {
    return this.threads.size;
  }

  /** Starts all threads, as far as the system has them. */
  prepare(): void {
    while (this.threads.size < this.options.threadsMax) {
      const thread = this.startThread();
      if (!(thread instanceof FrameThread)) return;
      thread.rest();
    }
  }

  /** `Compute.packFrame` of bytes in a buffer that is nobody else's. */
  async pack(raw: OwnBytes, seal: FrameSeal | null): Promise<PackedFrame> {
    const result = await this.run({ kind: 'pack', raw, seal: ownSeal(seal) }, raw.buffer);
    assert(result.kind === 'packed', 'a request has an answer of its kind');
    if (result.used !== null && this.used.length < this.usedMax) this.used.push(result.used);
    return result.packed;
  }

  /** `Compute.frameBuffer`. */
  takeBuffer(): OwnBytes {
    return this.used.pop() ?? new Uint8Array(FRAME_BYTES_MAX);
  }

  /** `Compute.unpackFrame` of bytes in a buffer that is nobody else's. @throws FrameDamaged */
  async unpack(packed: OwnFrame, rawBytes: number, seal: FrameSeal | null): Promise<Bytes> {
    const task = { kind: 'unpack', packed, rawBytes, seal: ownSeal(seal), target: null } as const;
    const result = await this.run(task, packed.bytes.buffer);
    assert(result.kind === 'unpacked', 'a request has an answer of its kind');
    return result.raw;
  }

  /** `Compute.unpackFrameTo` a file of this process. @throws FrameDamaged, SystemError */
  async unpackTo(
    { file, places }: FrameTarget & { readonly file: NodeFileHandle },
    packed: OwnFrame,
    rawBytes: number,
    seal: FrameSeal | null,
  ): Promise<void> {
    const columns = Float64Array.from(places.flatMap(({ start, length, offset }) => [start, length, offset]));
    await file.lend(async (fd) => {
      const target = { fd, places: columns };
      const task = { kind: 'unpack', packed, rawBytes, seal: ownSeal(seal), target } as const;
      const result = await this.run(task, packed.bytes.buffer);
      if (result.kind === 'refused') throw new SystemError(result.errno, 'write', file.path);
      assert(result.kind === 'written', 'a request has an answer of its kind');
    });
  }

  private async run(task: FrameTask, buffer: ArrayBuffer): Promise<FrameResult> {
    assert(this.waiting.length < FRAME_CALLS_MAX, 'whoever has many frames waits for them');
    const { promise, resolve } = Promise.withResolvers<FrameResult>();
    this.waiting.push({ task, buffer, settle: resolve });
    this.dispatch();
    const result = await promise;
    if (result.kind === 'damaged') throw new FrameDamaged(result.damage);
    if (result.kind === 'failed') throw asError(result.error);
    return result;
  }

  private dispatch(): void {
    for (const thread of this.threads) if (!thread.isAlive) this.threads.delete(thread);
    if (this.threads.size === 0) for (const buffer of this.used.splice(0)) freeBytes(buffer);
    while (this.waiting.length > 0) {
      const thread = this.threadWithRoom();
      if (thread === null) return;
      const job = this.waiting.shift();
      if (job === undefined) return;
      if (thread instanceof FrameThread) thread.begin(job);
      else job.settle({ kind: 'failed', error: thread });
    }
  }

  /** An idle thread, a new one, one with room; null when all are busy, the error when no thread can be started. */
  private threadWithRoom(): FrameThread | Error | null {
    const [least] = [...this.threads].toSorted((a, b) => a.load - b.load);
    if (least !== undefined && least.load === 0) return least;
    if (this.threads.size < this.options.threadsMax) return this.startThread();
    return least !== undefined && least.load < this.options.threadJobsMax ? least : null;
  }

  private startThread(): FrameThread | Error {
    try {
      const { program, idleMs } = this.options;
      const thread = new FrameThread({ program, idleMs, onChange: () => this.dispatch() });
      this.threads.add(thread);
      return thread;
    } catch (error) {
      return failureOf(error);
    }
  }
}

/** A view would take the whole of the buffer that it shows along. */
function ownSeal(seal: FrameSeal | null): FrameSeal | null {
  if (seal === null) return null;
  const { key, nonce, associatedData } = seal;
  const own = (bytes: Bytes): Bytes => new Uint8Array(bytes);
  return { key: own(key), nonce: own(nonce), associatedData: own(associatedData) };
}
