/**
 * Long operations answer `application/x-ndjson`: one JSON object per line; progress and notices as they come, then exactly one `result` or
 * `error`. A stream that ends without either was cut: the outcome is unknown, and `inspect` tells it.
 */
import { KelpieError } from '../../base/errors.ts';
import { concat, fromUtf8, utf8 } from '../../base/bytes.ts';
import { isJsonObject } from '../../base/json.ts';
import { EVENT_LINE_BYTES_MAX } from './limits.ts';
import { readProblem } from './problem.ts';
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
  let event: OperationEvent | null;
  try {
    event = readEvent(JSON.parse(fromUtf8(line)));
  } catch (error) {
    throw broken(error);
  }
  if (event === null) throw broken();
  return event;
}

/** The event that a value is, or null. By hand, not by a schema, which would delay the start of every command. */
export function readEvent(value: unknown): OperationEvent | null {
  if (!isJsonObject(value)) return null;
  switch (value['event']) {
    case 'progress':
      return readProgress(value);
    case 'notice':
      return typeof value['text'] === 'string' ? { event: 'notice', text: value['text'] } : null;
    case 'result':
      return 'result' in value ? { event: 'result', result: value['result'] } : null;
    case 'error': {
      const problem = readProblem(value['problem']);
      return problem === null ? null : { event: 'error', problem };
    }
    default:
      return null;
  }
}

function readProgress(value: Readonly<Record<string, unknown>>): OperationEvent | null {
  const { phase, item, doneBytes, totalBytes } = value;
  if (typeof phase !== 'string' || !(item === null || typeof item === 'string')) return null;
  if (!isNumberOrNull(doneBytes) || !isNumberOrNull(totalBytes)) return null;
  return { event: 'progress', phase, item, doneBytes, totalBytes };
}

function isNumberOrNull(value: unknown): value is number | null {
  return value === null || typeof value === 'number';
}

function broken(cause?: unknown): KelpieError {
  return new KelpieError(
    'daemon_unavailable',
    'the daemon’s answer broke off; see what became of the VM with `kelpie ps`.',
    { cause },
  );
}
