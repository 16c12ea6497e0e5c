/**
 * A command in a guest that Kelpie runs for itself, within bounds: it hangs, floods, forks or lies, and whoever waits for it is told in time.
 *
 *     started ──▶ output read to its end ──▶ ended
 *        └─ its time is over (the guest ends it; the host waits a little longer), canceled, the reader leaves ──▶ killed and let go
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
}

/** How a command ended, and the end of what it wrote to its standard error. */
export interface CommandEnd {
  readonly exit: SessionExit;
  readonly messages: readonly string[];
}

/**
 * Runs a command to its end.
 * @param onOutput takes its standard output; the guest waits for it. What it throws ends the command.
 * @throws KelpieError `timeout` when neither the command nor the guest ended it, `command_not_executable`, `guest_unreachable`, `canceled`, and what `input` and
 * `onOutput` throw.
 */
export async function runInGuest(
  context: GuestContext,
  { argv, env, user, input, timeoutMs }: CommandRequest,
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
  const command = new RunningCommand(context, session, timeoutMs);
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

class RunningCommand {
  readonly #session: GuestSession;
  readonly #timeoutMs: number;
  readonly #messages: Bytes[] = [];
  readonly #stop: () => void;
  #messageBytes = 0;
  #exit: SessionExit | null = null;
  #failure: KelpieError | null = null;
  #leaving: Promise<void> | null = null;

  constructor({ clock, signal }: GuestContext, session: GuestSession, timeoutMs: number) {
    this.#session = session;
    this.#timeoutMs = timeoutMs;
    const onAbort = (): void => this.#giveUp(canceledError(signal, 'the checkpoint'));
    signal.addEventListener('abort', onAbort);
    const stopTimer = startTimer(clock, timeoutMs + COMMAND_GRACE_MS, () => this.#giveUp(this.#late()));
    this.#stop = () => {
      stopTimer();
      signal.removeEventListener('abort', onAbort);
    };
    // Canceled while the guest started it.
    if (signal.aborted) onAbort();
  }

  /** Its standard output; its messages are kept beside it. */
  async *output(): AsyncGenerator<Bytes, void> {
    for await (const event of this.#session.events) {
      if (event.kind === 'exit') this.#exit = event.exit;
      else if (event.kind === 'output' && event.stream === 'stdout') yield event.bytes;
      else if (event.kind === 'output') this.#keep(event.bytes);
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
      for await (const bytes of input) await this.#session.writeStdin(bytes);
      await this.#session.endStdin();
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
