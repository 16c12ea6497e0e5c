/**
 * A command in a guest that Kelpie runs for itself, within bounds: it hangs, floods, forks or lies, and whoever waits for it is told in time.
 *
 *     started ──▶ output read to its end ──▶ ended
 *        └─ its time is over (the guest ends it; the host waits a little longer), nothing moves, canceled, the reader leaves ──▶ killed and let go
 */
import { canceledError, throwIfCanceled } from '../base/cancel.ts';
import { concat, fromUtf8Lossy } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { formatDurationMs } from '../base/units.ts';
import type { Clock } from '../env/clock.ts';
import type { GuestAgent, GuestSession, SessionExit } from '../guest/guest-agent.ts';
import { startTimer } from '../guest/timer.ts';
import { COMMAND_GRACE_MS, MESSAGES_BYTES_MAX, MESSAGE_LENGTH_MAX } from './limits.ts';

const SIGKILL = 9;

/** What commands in a guest are run with. */
export interface GuestContext {
  readonly agent: GuestAgent;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface CommandRequest {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  /** Given to it as its standard input. */
  readonly input?: AsyncIterable<Bytes>;
  readonly timeoutMs: number;
  /** It is given up when the guest neither takes input nor says anything for so long, while nobody here keeps it waiting. */
  readonly stillMs?: number;
}

/** How a command ended, and the end of what it wrote to its standard error. */
export interface CommandEnd {
  readonly exit: SessionExit;
  readonly messages: readonly string[];
}

/**
 * Runs a command to its end.
 * @param onOutput takes its standard output; the guest waits for it. What it throws ends the command.
 * @throws KelpieError `timeout` when neither the command nor the guest ended it, or nothing moved for too long, `command_not_executable`, `guest_unreachable`, `canceled`, and what `input` and
 * `onOutput` throw.
 */
export async function runInGuest(
  context: GuestContext,
  { argv, env, user, input, timeoutMs, stillMs }: CommandRequest,
  onOutput: (output: AsyncIterable<Bytes>) => Promise<void>,
): Promise<CommandEnd> {
  throwIfCanceled(context.signal, 'the checkpoint');
  const session = await context.agent.startSession({
    argv,
    timeoutMs,
    stdin: input !== undefined,
    ...(env === undefined ? {} : { env }),
    ...(user === undefined ? {} : { user }),
  });
  const command = new RunningCommand(context, session, { timeoutMs, stillMs, hasInput: input !== undefined });
  const feeding = input === undefined ? null : command.feed(input);
  try {
    await onOutput(command.output());
    return command.end();
  } finally {
    await command.leave();
    await feeding;
  }
}

export function isSuccess({ exit }: CommandEnd): boolean {
  return 'code' in exit && exit.code === 0 && !exit.timedOut;
}

/** For sentences: `ended with status 2: no such file`. */
export function describeEnd({ exit, messages }: CommandEnd, timeoutMs: number): string {
  const how = exit.timedOut
    ? `was ended after ${formatDurationMs(timeoutMs)}`
    : 'code' in exit
      ? `ended with status ${exit.code}`
      : `was ended by signal ${exit.signal}`;
  const last = messages.at(-1);
  return last === undefined ? how : `${how}: ${last.slice(0, MESSAGE_LENGTH_MAX)}`;
}

/** Whose turn it is, as far as it has changed. */
interface Turn {
  readonly isWriting?: boolean;
  readonly isFed?: boolean;
  readonly isReading?: boolean;
}

interface Bounds {
  readonly timeoutMs: number;
  readonly stillMs: number | undefined;
  readonly hasInput: boolean;
}

class RunningCommand {
  readonly #session: GuestSession;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #stillMs: number | null;
  readonly #messages: Bytes[] = [];
  readonly #stop: () => void;
  #messageBytes = 0;
  #exit: SessionExit | null = null;
  #failure: KelpieError | null = null;
  #leaving: Promise<void> | null = null;
  /** What the guest was given it has not taken yet. */
  #isWriting = false;
  /** It has all of its input. */
  #isFed: boolean;
  /** Whoever reads its output waits for more of it. */
  #isReading = false;
  #stopStill: (() => void) | null = null;

  constructor(
    { clock, signal }: GuestContext,
    session: GuestSession,
    { timeoutMs, stillMs, hasInput }: Bounds,
  ) {
    this.#session = session;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#stillMs = stillMs ?? null;
    this.#isFed = !hasInput;
    const onAbort = (): void => this.#giveUp(canceledError(signal, 'the checkpoint'));
    signal.addEventListener('abort', onAbort);
    const stopTimer = startTimer(clock, timeoutMs + COMMAND_GRACE_MS, () => this.#giveUp(this.#late()));
    this.#stop = () => {
      stopTimer();
      this.#stopStill?.();
      signal.removeEventListener('abort', onAbort);
    };
    // Canceled while the guest started it.
    if (signal.aborted) onAbort();
  }

  /** Its standard output; its messages are kept beside it. */
  async *output(): AsyncGenerator<Bytes, void> {
    this.#expect({ isReading: true });
    for await (const event of this.#session.events) {
      this.#expect({ isReading: false });
      if (event.kind === 'exit') this.#exit = event.exit;
      else if (event.kind === 'output' && event.stream === 'stdout') yield event.bytes;
      else if (event.kind === 'output') this.#keep(event.bytes);
      this.#expect({ isReading: true });
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** How it ended, once its output was read. */
  end(): CommandEnd {
    if (this.#exit === null) throw this.#failure ?? this.#late();
    const text = fromUtf8Lossy(concat(this.#messages)).replaceAll(/[^\P{Cc}\n]/gu, '?');
    return { exit: this.#exit, messages: text.split('\n').filter((line) => line.trim() !== '') };
  }

  /** Gives it its input. A command may end without having read all of it: how it ended says whether that was well. */
  async feed(input: AsyncIterable<Bytes>): Promise<void> {
    try {
      for await (const bytes of input) {
        this.#expect({ isWriting: true });
        await this.#session.writeStdin(bytes);
        this.#expect({ isWriting: false });
      }
      await this.#session.endStdin();
      this.#expect({ isFed: true });
    } catch (error) {
      // It would wait for the rest for ever.
      if (!isKelpieError(error, 'invalid_state')) this.#giveUp(error);
    }
  }

  /** Nothing of it is waited for any more; it is ended if it has not. */
  async leave(): Promise<void> {
    this.#stop();
    if (this.#exit === null) this.#leaving ??= this.#kill();
    await this.#leaving;
  }

  /** What moved, or is waited for now: the time of stillness begins anew, when it is the guest's turn. */
  #expect({ isWriting = this.#isWriting, isFed = this.#isFed, isReading = this.#isReading }: Turn): void {
    [this.#isWriting, this.#isFed, this.#isReading] = [isWriting, isFed, isReading];
    this.#stopStill?.();
    this.#stopStill = null;
    if (this.#stillMs === null || this.#leaving !== null || !(isWriting || (isFed && isReading))) return;
    const stillMs = this.#stillMs;
    this.#stopStill = startTimer(this.#clock, stillMs, () => {
      const message = `a command in the guest moved nothing for ${formatDurationMs(stillMs)}, and was given up.`;
      this.#giveUp(new KelpieError('timeout', message));
    });
  }

  #giveUp(reason: unknown): void {
    this.#failure ??=
      reason instanceof KelpieError ? reason : new KelpieError('internal', String(reason), { cause: reason });
    this.#leaving ??= this.#kill();
    // `leave` tells.
    this.#leaving.catch(() => undefined);
  }

  /** A guest that does not answer keeps its command; its own clock ends that. */
  async #kill(): Promise<void> {
    try {
      await this.#session.signal(SIGKILL);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    try {
      await this.#session.detach();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #keep(bytes: Bytes): void {
    this.#messages.push(bytes.slice());
    this.#messageBytes += bytes.byteLength;
    while (this.#messageBytes > MESSAGES_BYTES_MAX && this.#messages.length > 1)
      this.#messageBytes -= this.#messages.shift()?.byteLength ?? 0;
  }

  #late(): KelpieError {
    const waited = formatDurationMs(this.#timeoutMs);
    return new KelpieError(
      'timeout',
      `a command in the guest did not end within ${waited}, and was given up.`,
    );
  }
}

function isGone(error: unknown): boolean {
  return isKelpieError(
    error,
    'session_not_found',
    'invalid_state',
    'guest_unreachable',
    'guest_failed',
    'guest_protocol_error',
  );
}
