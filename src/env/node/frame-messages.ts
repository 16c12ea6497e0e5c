/** What the pool and its workers tell each other. Bytes are moved, not copied; `id` pairs an answer with its request. */
import type { Bytes } from '../../base/bytes.ts';
import type { FrameSeal, PackedFrame } from '../compute.ts';
import type { FrameDamage } from '../frame-damaged.ts';

export type FrameTask =
  | { readonly kind: 'pack'; readonly raw: Bytes; readonly seal: FrameSeal | null }
  | {
      readonly kind: 'unpack';
      readonly packed: PackedFrame;
      readonly rawBytes: number;
      readonly seal: FrameSeal | null;
    };

export interface FrameRequest {
  readonly id: number;
  readonly task: FrameTask;
}

export type FrameResult =
  | { readonly kind: 'packed'; readonly packed: PackedFrame }
  | { readonly kind: 'unpacked'; readonly raw: Bytes }
  | { readonly kind: 'damaged'; readonly damage: FrameDamage }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface FrameAnswer {
  readonly id: number;
  readonly result: FrameResult;
}
