/**
 * What a guest's JSON must look like. The guest is untrusted: nothing it says is used before it went through here. Its
 * texts are bounded by the frame, its numbers by these schemas; unknown members are dropped.
 */
import { z } from 'zod';
import { fromUtf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import type { GuestFileInfo, GuestHealth, SessionExit, SessionInfo } from './guest-agent.ts';
import { guestProtocolError } from './guest-errors.ts';
import type { GuestFailure } from './guest-errors.ts';
import { GUEST_TEXT_LENGTH_MAX, SESSIONS_MAX } from './limits.ts';

const count = z.int().nonnegative();
const u32 = count.max(0xffff_ffff);
const sessionNumber = z.int().min(1).max(0x7fff_ffff);
const milliseconds = z.number().min(-Number.MAX_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
const timedOut = z.boolean().default(false);
const exit = z.union([
  z.object({ code: count.max(255), timedOut }),
  z.object({ signal: z.int().min(1).max(64), timedOut }),
]);
const fileFacts = z.object({
  sizeBytes: count,
  mode: u32,
  uid: u32,
  gid: u32,
  modifiedAtUnixMs: milliseconds,
});

const answer = z.object({ jsonrpc: z.literal('2.0'), id: z.int().positive() });
/** Words of the guest that people will read: short, and without anything that a terminal would act on. */
const words = z.string().transform((text) => text.slice(0, GUEST_TEXT_LENGTH_MAX).replace(/\p{C}/gu, '?'));
const failure = z.object({
  code: z.int(),
  message: words,
  data: z.object({ reason: words, errno: z.int().optional() }),
});

function check<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  // The first issue only: a guest can make thousands with one frame.
  const issue = result.error.issues[0];
  throw guestProtocolError(`${what}: ${issue?.path.join('.')}: ${issue?.message}`, result.error);
}

function parseJson(payload: Bytes): unknown {
  try {
    return JSON.parse(fromUtf8(payload));
  } catch (error) {
    throw guestProtocolError('a message is not JSON', error);
  }
}

/** A parser of one method's result. @throws KelpieError `guest_protocol_error`. */
type Parser<T> = (result: unknown) => T;

function parser<T>(method: string, schema: z.ZodType<T>): Parser<T> {
  return (result) => check(schema, result, `the answer to ${method}`);
}

export type GuestResponse =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly failure: GuestFailure };

export function parseResponse(payload: Bytes): GuestResponse {
  const message = parseJson(payload);
  const { id } = check(answer, message, 'an answer');
  if (typeof message === 'object' && message !== null && 'error' in message) {
    const error = check(failure, message.error, 'an error answer');
    return {
      id,
      failure: {
        code: error.code,
        message: error.message,
        reason: error.data.reason,
        errno: error.data.errno ?? null,
      },
    };
  }
  if (typeof message !== 'object' || message === null || !('result' in message)) {
    throw guestProtocolError('an answer has neither result nor error');
  }
  return { id, result: message.result };
}

export type GuestEvent =
  | { readonly kind: 'exited'; readonly channel: number; readonly exit: SessionExit }
  | { readonly kind: 'failed'; readonly channel: number; readonly failure: GuestFailure };

const event = z.discriminatedUnion('method', [
  z.object({ method: z.literal('exec.exited'), params: z.object({ session: sessionNumber, exit }) }),
  z.object({
    method: z.literal('file.failed'),
    params: z.object({ channel: u32, reason: words, errno: z.int().optional() }),
  }),
]);

export function parseEvent(payload: Bytes): GuestEvent {
  const message = check(event, parseJson(payload), 'an event');
  if (message.method === 'exec.exited') {
    return { kind: 'exited', channel: message.params.session, exit: message.params.exit };
  }
  const { channel, reason, errno } = message.params;
  const told = { code: 0, message: 'the transfer failed', reason, errno: errno ?? null };
  return { kind: 'failed', channel, failure: told };
}

export const parseNothing: Parser<unknown> = parser('a command', z.object({}));

export const parseStarted: Parser<{ readonly session: number; readonly pid: number }> = parser(
  'exec.start',
  z.object({ session: sessionNumber, pid: count }),
);

export const parseAttached: Parser<{
  readonly stdoutOffset: number;
  readonly stderrOffset: number;
  readonly stdinOffset: number;
  readonly stdinLimit: number;
}> = parser(
  'exec.attach',
  z.object({ stdoutOffset: count, stderrOffset: count, stdinOffset: count, stdinLimit: count }),
);

export const parseSessions: Parser<readonly SessionInfo[]> = parser(
  'exec.list',
  z
    .object({
      sessions: z
        .array(
          z.object({
            session: sessionNumber,
            pid: count,
            argv: z.array(z.string()),
            user: z.string(),
            tty: z.boolean(),
            startedAtUnixMs: milliseconds,
            running: z.boolean(),
            attached: z.boolean(),
            stdoutBytes: count,
            stderrBytes: count,
            exit: exit.nullable(),
          }),
        )
        .max(SESSIONS_MAX),
    })
    .transform((result) => result.sessions),
);

export const parseFileRead: Parser<Omit<GuestFileInfo, 'type'>> = parser('file.read', fileFacts);

export const parseStat: Parser<GuestFileInfo> = parser(
  'file.stat',
  fileFacts.extend({ type: z.enum(['file', 'directory', 'symlink', 'other']) }),
);

export const parseCommitted: Parser<{ readonly sizeBytes: number }> = parser(
  'file.commit',
  z.object({ sizeBytes: count }),
);

export const parseHealth: Parser<GuestHealth> = parser(
  'system.health',
  z.object({
    version: z.string(),
    architecture: z.string(),
    bootId: z.string(),
    generation: u32,
    uptimeMs: milliseconds,
    unixMs: milliseconds,
    sessions: count,
    memoryTotalBytes: count,
    memoryAvailableBytes: count,
    kernel: z.string(),
    imageVersion: z.string().nullable(),
  }),
);

export const parseClockSet: Parser<{ readonly clockStepMs: number }> = parser(
  'system.setClock',
  z.object({ clockStepMs: milliseconds }),
);

export const parseRepaired: Parser<{ readonly clockStepMs: number; readonly generation: number }> = parser(
  'system.repair',
  z.object({ clockStepMs: milliseconds, generation: u32 }),
);
