/** Commands in a VM over the API. A command is a *session* in the guest: it lives on without a client and across a teleport. */
import { z } from 'zod';
import type { SessionExit, SessionInfo, SessionOffsets, TerminalSize } from '../../guest/guest-agent.ts';
import {
  ARGUMENT_LENGTH_MAX,
  ARGV_COUNT_MAX,
  ENVIRONMENT_COUNT_MAX,
  EXEC_TIMEOUT_MS_MAX,
  GUEST_PATH_LENGTH_MAX,
} from './limits.ts';

export const terminalSize: z.ZodType<TerminalSize> = z.strictObject({
  rows: z.int().min(1).max(65_535),
  columns: z.int().min(1).max(65_535),
});

const text = z
  .string()
  .max(ARGUMENT_LENGTH_MAX)
  .refine((value) => !value.includes('\0'), 'must not hold a NUL byte');

export interface ExecStart {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly tty?: TerminalSize;
  /** Keep stdin open for the client; else the command reads nothing. */
  readonly stdin?: boolean;
  /** Milliseconds; absent or 0: no limit. */
  readonly timeoutMs?: number;
}
export const execStart: z.ZodType<ExecStart> = z.strictObject({
  argv: z.array(text).min(1, 'needs a command').max(ARGV_COUNT_MAX),
  env: z.exactOptional(
    z
      .record(z.string().regex(/^[^=\0]+$/, 'must not hold = or NUL'), text)
      .refine(
        (env) => Object.keys(env).length <= ENVIRONMENT_COUNT_MAX,
        `at most ${ENVIRONMENT_COUNT_MAX} variables`,
      ),
  ),
  cwd: z.exactOptional(text.max(GUEST_PATH_LENGTH_MAX)),
  user: z.exactOptional(text.max(256)),
  tty: z.exactOptional(terminalSize),
  stdin: z.exactOptional(z.boolean()),
  timeoutMs: z.exactOptional(z.int().min(0).max(EXEC_TIMEOUT_MS_MAX)),
});

/** The first frame of an attachment: a new command, or one that runs. */
export type ExecOpen =
  | { readonly start: ExecStart }
  | { readonly attach: { readonly session: number; readonly offsets?: SessionOffsets } };

const offset = z.int().min(0);
export const execOpen: z.ZodType<ExecOpen> = z.union([
  z.strictObject({ start: execStart }),
  z.strictObject({
    attach: z.strictObject({
      session: z.int().min(1),
      offsets: z.exactOptional(
        z.strictObject({ stdout: z.exactOptional(offset), stderr: z.exactOptional(offset) }),
      ),
    }),
  }),
]);

/** What the first frame of the answer holds. */
export interface ExecOpened {
  readonly session: number;
  readonly pid: number | null;
  readonly offsets: { readonly stdout: number; readonly stderr: number };
  readonly stdinOffset: number;
}
export const sessionExit: z.ZodType<SessionExit> = z.union([
  z.object({ code: z.int(), timedOut: z.boolean() }),
  z.object({ signal: z.int(), timedOut: z.boolean() }),
]);

export interface SignalRequest {
  /** Linux's number of it, 1 … 64. */
  readonly signal: number;
}
export const signalRequest: z.ZodType<SignalRequest> = z.strictObject({ signal: z.int().min(1).max(64) });

/** `POST …/sessions`: started with nobody attached. */
export interface SessionStarted {
  readonly session: number;
  readonly pid: number;
}
export const sessionStarted: z.ZodType<SessionStarted> = z.object({ session: z.int(), pid: z.int() });

export interface SessionList {
  readonly sessions: readonly SessionInfo[];
}
export const sessionList: z.ZodType<SessionList> = z.object({
  sessions: z.array(
    z.object({
      session: z.int(),
      pid: z.int(),
      argv: z.array(z.string()),
      user: z.string(),
      tty: z.boolean(),
      startedAtUnixMs: z.number(),
      running: z.boolean(),
      attached: z.boolean(),
      stdoutBytes: z.number(),
      stderrBytes: z.number(),
      exit: sessionExit.nullable(),
    }),
  ),
});
