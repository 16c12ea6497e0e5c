/**
 * QEMU's control connection.
 *
 *   open: greeting ──▶ qmp_capabilities ──▶ ready ──▶ closed
 *   command: sent ──▶ answered │ refused │ timed out (a later answer is dropped) │ closed
 *
 * Failure paths: a line that is too long or no message, an end of the stream, or `close` ends the connection and rejects
 * all commands under way. A refusal or a time-out leaves it usable.
 */
import { z } from 'zod';
import { assert, defined } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import { asKelpieError, KelpieError } from '../../base/errors.ts';
import { withoutFullStop } from '../../base/sentence.ts';
import type { Clock } from '../../env/clock.ts';
import type { Connection } from '../../env/sockets.ts';
import { startTimer } from '../../guest/timer.ts';
import { QMP_COMMAND_TIMEOUT_MS, QMP_LINE_BYTES_MAX, QMP_PENDING_MAX } from './limits.ts';
import { QmpLineSplitter } from './qmp-line-splitter.ts';
import { formatQmpCommand, parseQmpMessage } from './qmp-messages.ts';
import type { QmpArguments, QmpEvent, QmpMessage } from './qmp-messages.ts';

interface Pending {
  readonly command: string;
  readonly settle: (value: unknown) => void;
  readonly fail: (error: KelpieError) => void;
}

export class QmpClient {
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #greeted = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<KelpieError>();
  #version: string | null = null;
  #failure: KelpieError | null = null;
  #writing: Promise<void> = Promise.resolve();
  #nextId = 1;

  private constructor(clock: Clock, connection: Connection) {
    this.#clock = clock;
    this.#connection = connection;
  }

  /**
   * Waits for the greeting and enters command mode.
   * @throws KelpieError `vm_backend_failed` when what answers does not speak the protocol, or not in time.
   */
  static async open(clock: Clock, connection: Connection, timeoutMs: number): Promise<QmpClient> {
    const client = new QmpClient(clock, connection);
    void client.#read();
    const cancelTimer = startTimer(clock, timeoutMs, () =>
      client.#fail(new KelpieError('vm_backend_failed', `QEMU did not greet in ${timeoutMs} ms.`)),
    );
    try {
      await client.#greeted.promise;
      await client.execute('qmp_capabilities', null, z.unknown());
    } catch (error) {
      client.close();
      throw error;
    } finally {
      cancelTimer();
    }
    return client;
  }

  /** As of the greeting: `7.2.22 (Debian …)`. */
  get version(): string {
    return defined(this.#version, 'the version of a QEMU that has greeted');
  }

  /** Resolves when the connection has ended, with why. */
  get closed(): Promise<KelpieError> {
    return this.#closed.promise;
  }

  /**
   * Commands are executed in the order of the calls; they need not wait for each other's answers.
   * @throws KelpieError `vm_backend_failed` when QEMU refuses, answers something else than `schema`, or not in time.
   */
  async execute<T>(
    command: string,
    args: QmpArguments | null,
    schema: z.ZodType<T>,
    timeoutMs: number = QMP_COMMAND_TIMEOUT_MS,
  ): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    assert(this.#pending.size < QMP_PENDING_MAX, 'commands under way are bounded');
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { command, settle: resolve, fail: reject });
    const cancelTimer = startTimer(this.#clock, timeoutMs, () => {
      this.#pending.delete(id);
      reject(new KelpieError('vm_backend_failed', `QEMU did not answer ${command} in ${timeoutMs} ms.`));
    });
    this.#send(formatQmpCommand(id, command, args));
    try {
      return parseAnswer(command, await promise, schema);
    } finally {
      cancelTimer();
    }
  }

  /** Calls `listener` for every event from now on, until the returned function is called. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the connection; QEMU lives on and takes another one. May be called twice. */
  close(): void {
    this.#fail(new KelpieError('vm_backend_failed', 'the connection to QEMU was closed.'));
  }

  #send(line: string): void {
    this.#writing = this.#writing
      .then(() => this.#connection.write(utf8(line)))
      .catch((error: unknown) => this.#fail(connectionLost(error)));
  }

  async #read(): Promise<void> {
    const splitter = new QmpLineSplitter(QMP_LINE_BYTES_MAX);
    try {
      for (let chunk = await this.#connection.read(); chunk !== null; chunk = await this.#connection.read()) {
        for (const line of splitter.feed(chunk)) this.#take(parseQmpMessage(line));
      }
      this.#fail(connectionLost(undefined));
    } catch (error) {
      this.#fail(asKelpieError(error, 'vm_backend_failed', connectionLost(error).message));
    }
  }

  #take(message: QmpMessage): void {
    if (message.kind === 'greeting') {
      this.#version = message.version;
      this.#greeted.resolve();
    } else if (message.kind === 'event') {
      for (const listener of this.#listeners) listener(message.event);
    } else if (message.kind === 'result') {
      this.#takePending(message.id)?.settle(message.value);
    } else {
      const pending = this.#takePending(message.id);
      pending?.fail(refused(pending.command, message.description));
    }
  }

  /** Null for the answer to a command that timed out. */
  #takePending(id: number | null): Pending | null {
    if (id === null) throw new KelpieError('vm_backend_failed', 'QEMU could not read a command.');
    const pending = this.#pending.get(id) ?? null;
    this.#pending.delete(id);
    return pending;
  }

  #fail(error: KelpieError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#connection.close();
    this.#greeted.reject(error);
    for (const pending of this.#pending.values()) pending.fail(error);
    this.#pending.clear();
    this.#closed.resolve(error);
  }
}

function connectionLost(cause: unknown): KelpieError {
  return new KelpieError('vm_backend_failed', 'the connection to QEMU was lost.', { cause });
}

function refused(command: string, description: string): KelpieError {
  const message = `QEMU refused ${command}: ${withoutFullStop(description.trim())}.`;
  return new KelpieError('vm_backend_failed', message, { data: { command, description } });
}

function parseAnswer<T>(command: string, value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new KelpieError('vm_backend_failed', `QEMU answered ${command} with something unexpected.`, {
    cause: parsed.error,
  });
}
