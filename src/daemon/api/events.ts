/**
 * Long operations answer `application/x-ndjson`: one JSON object per line; progress and notices as they come, then exactly one `result` or
 * `error`. A stream that ends without either was cut: the outcome is unknown, and `inspect` tells it.
 */
import { z } from 'zod';
import { KelpieError } from '../../base/errors.ts';
import { concat, fromUtf8, utf8 } from '../../base/bytes.ts';
import { EVENT_LINE_BYTES_MAX } from './limits.ts';
import { problem } from './problem.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Problem } from './problem.ts';

export const EVENTS_CONTENT_TYPE = 'application/x-ndjson';

/** What an operation is doing. `item` and the bytes are null when the phase has none. */
export interface Progress {
  /** `boot`, `pause`, `capture`, `publish`, `download`, `load` …: one word, stable, for scripts. */
  readonly phase: string;
  /** What is moving: `memory`, `disk`, `rootfs` … */
  readonly item: string | null;
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
}

export type OperationEvent =
  | ({ readonly event: 'progress' } & Progress)
  /** A sentence worth showing: a PATCH version that differs, an unsaved state that was dropped. */
  | { readonly event: 'notice'; readonly text: string }
  | { readonly event: 'result'; readonly result: unknown }
  | { readonly event: 'error'; readonly problem: Problem };

export const operationEvent: z.ZodType<OperationEvent> = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('progress'),
    phase: z.string(),
    item: z.string().nullable(),
    doneBytes: z.number().nullable(),
    totalBytes: z.number().nullable(),
  }),
  z.object({ event: z.literal('notice'), text: z.string() }),
  z.object({ event: z.literal('result'), result: z.unknown() }),
  z.object({ event: z.literal('error'), problem }),
]);

/** One line. */
export function encodeEvent(event: OperationEvent): Bytes {
  return utf8(`${JSON.stringify(event)}\n`);
}

/** The events of a response body. @throws KelpieError `daemon_unavailable` when the stream is not one of events, or is cut inside a line. */
export async function* decodeEvents(body: AsyncIterable<Bytes>): AsyncGenerator<OperationEvent, void> {
  let pending: Bytes = new Uint8Array(0);
  for await (const chunk of body) {
    pending = concat([pending, chunk]);
    for (let end = pending.indexOf(0x0a); end !== -1; end = pending.indexOf(0x0a)) {
      yield parseLine(pending.subarray(0, end));
      pending = pending.subarray(end + 1);
    }
    if (pending.byteLength > EVENT_LINE_BYTES_MAX) throw broken();
  }
  if (pending.byteLength > 0) throw broken();
}

function parseLine(line: Bytes): OperationEvent {
  try {
    return operationEvent.parse(JSON.parse(fromUtf8(line)));
  } catch (error) {
    throw broken(error);
  }
}

function broken(cause?: unknown): KelpieError {
  return new KelpieError(
    'daemon_unavailable',
    'the daemon’s answer broke off; see what became of the VM with `kelpie ps`.',
    { cause },
  );
}
