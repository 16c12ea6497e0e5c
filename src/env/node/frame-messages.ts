/** What the pool and its workers tell each other. Bytes are moved, not copied; `id` pairs an answer with its request. */
import type { Bytes } from '../../base/bytes.ts';
import type { FrameSeal, PackedFrame } from '../compute.ts';
import type { FrameDamage } from '../frame-damaged.ts';

export type FrameTask =
  | { readonly kind: 'pack'; readonly raw: Uint8Array<ArrayBuffer>; readonly seal: FrameSeal | null }
  | {
      readonly kind: 'unpack';
      readonly packed: PackedFrame;
      readonly rawBytes: number;
      readonly seal: FrameSeal | null;
      /** Where the raw bytes are written; null: they are the answer. */
      readonly target: FrameTargetMessage | null;
    };

export interface FrameTargetMessage {
  /** Open as long as the task is under way: descriptors are the process's, whichever thread uses them. */
  readonly fd: number;
  /** Of each place: its first byte in the frame, its length, its first byte in the file. */
  readonly places: Float64Array<ArrayBuffer>;
}

export interface FrameRequest {
  readonly id: number;
  readonly task: FrameTask;
}

export type FrameResult =
  | {
      readonly kind: 'packed';
      readonly packed: PackedFrame;
      /** The task's `raw`, when it is for another frame now. */
      readonly used: Uint8Array<ArrayBuffer> | null;
    }
  | { readonly kind: 'unpacked'; readonly raw: Bytes }
  | { readonly kind: 'written' }
  /** By the system, with its name for why. */
  | { readonly kind: 'refused'; readonly errno: string }
  | { readonly kind: 'damaged'; readonly damage: FrameDamage }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface FrameAnswer {
  readonly id: number;
  readonly result: FrameResult;
}
