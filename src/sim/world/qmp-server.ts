/** QEMU's side of its control connection: one client at a time, commands in order, events to whoever is connected. */
import { z } from 'zod';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { parseJson } from '../parse-json.ts';

/** How a command is refused. */
export class QmpRefusal extends Error {}

export type QmpArguments = Readonly<Record<string, unknown>>;

/** What both a socket and standard input and output are. */
export interface QmpStream {
  read(): Promise<Bytes | null>;
  write(bytes: Bytes): Promise<void>;
  close(): void;
}

interface Command {
  readonly execute: string;
  readonly id?: number;
  readonly arguments?: QmpArguments;
}

const commandSchema: z.ZodType<Command> = z.object({
  execute: z.string(),
  id: z.exactOptional(z.number()),
  arguments: z.exactOptional(z.record(z.string(), z.unknown())),
});

const greeting = {
  QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: 'simulated' }, capabilities: [] },
};

export class QmpServer {
  readonly #execute: (command: string, args: QmpArguments) => Promise<unknown>;
  readonly #quit: () => void;
  readonly #waiting: QmpStream[] = [];
  #current: QmpStream | null = null;
  #writing: Promise<void> = Promise.resolve();
  #isReady = false;

  /** @param quit called when the answer to `quit` has been sent. */
  constructor(execute: (command: string, args: QmpArguments) => Promise<unknown>, quit: () => void) {
    this.#execute = execute;
    this.#quit = quit;
  }

  /** A client connects; it is greeted when the one before it has gone. */
  connect(stream: QmpStream): void {
    this.#waiting.push(stream);
    if (this.#current === null) void this.#serve();
  }

  event(name: string, data: QmpArguments): void {
    if (this.#current !== null && this.#isReady)
      this.#send(this.#current, { event: name, data, timestamp: { seconds: 0, microseconds: 0 } });
  }

  async #serve(): Promise<void> {
    for (let stream = this.#waiting.shift(); stream !== undefined; stream = this.#waiting.shift()) {
      this.#current = stream;
      this.#isReady = false;
      this.#send(stream, greeting);
      await this.#talk(stream);
      stream.close();
      this.#current = null;
    }
  }

  async #talk(stream: QmpStream): Promise<void> {
    let rest = '';
    for (;;) {
      const chunk = await stream.read().catch(() => null);
      if (chunk === null) return;
      const lines = (rest + fromUtf8(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines)
        if (line.trim() !== '') await this.#take(stream, parseJson(commandSchema, line));
    }
  }

  async #take(stream: QmpStream, { execute, id, arguments: args = {} }: Command): Promise<void> {
    if (execute === 'qmp_capabilities') this.#isReady = true;
    try {
      const value = execute === 'qmp_capabilities' ? {} : await this.#execute(execute, args);
      this.#send(stream, { return: value ?? {}, id });
      if (execute !== 'quit') return;
      await this.#writing;
      this.#quit();
    } catch (error) {
      if (!(error instanceof QmpRefusal)) throw error;
      this.#send(stream, { error: { class: 'GenericError', desc: error.message }, id });
    }
  }

  #send(stream: QmpStream, message: unknown): void {
    const bytes = utf8(`${JSON.stringify(message)}\r\n`);
    // A client that is gone hears nothing; the next one is greeted.
    this.#writing = this.#writing.then(() => stream.write(bytes)).catch(() => undefined);
  }
}
