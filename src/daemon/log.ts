/**
 * The daemon's log: events with fields, one JSON object per line, in `kelpied.log`. Writing never waits and never fails a caller: lines
 * queue up to a bound, beyond which they are dropped and the number of them is told.
 */
import { pino, stdSerializers } from 'pino';
import { utf8 } from '../base/bytes.ts';
import { LOG_BYTES_MAX, LOG_QUEUED_BYTES_MAX } from './limits.ts';
import type { Log } from '../teleport/teleport-host.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { FileHandle } from '../env/files.ts';

export interface DaemonLog extends Log {
  /** Resolves when everything so far is written. */
  close(): Promise<void>;
}

export function openLog(env: Env, path: string): DaemonLog {
  const destination = new LogFile(env, path);
  const logger = pino(
    {
      base: { pid: env.host.pid },
      timestamp: () => `,"timeMs":${Math.round(env.clock.wallMs())}`,
      serializers: { err: stdSerializers.errWithCause },
    },
    destination,
  );
  return {
    info: (fields) => logger.info(fields),
    error: (fields) => logger.error(fields),
    close: () => destination.close(),
  };
}

/** What pino writes to: an append-only file that is moved aside when it is large. */
class LogFile {
  readonly #env: Env;
  readonly #path: string;
  #queue: Bytes[] = [];
  #queuedBytes = 0;
  #dropped = 0;
  #writing: Promise<void> = Promise.resolve();
  #isWriting = false;
  #file: FileHandle | null = null;
  #sizeBytes = 0;

  constructor(env: Env, path: string) {
    this.#env = env;
    this.#path = path;
  }

  write(line: string): void {
    const bytes = utf8(line);
    if (this.#queuedBytes + bytes.byteLength > LOG_QUEUED_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#drain();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = null;
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        this.#queuedBytes -= next.byteLength;
        await this.#append(next);
      }
      if (this.#dropped > 0)
        await this.#append(utf8(`{"event":"log-lines-dropped","count":${this.#dropped}}\n`));
      this.#dropped = 0;
    } catch {
      // A log that cannot be written must not stop the VMs' daemon; the lines of this turn are lost, and counted.
      this.#dropped += this.#queue.length + 1;
      this.#queue = [];
      this.#queuedBytes = 0;
    } finally {
      this.#isWriting = false;
    }
  }

  async #append(bytes: Bytes): Promise<void> {
    if (this.#sizeBytes > LOG_BYTES_MAX) await this.#moveAside();
    if (this.#file === null) {
      this.#file = await this.#env.files.open(this.#path, 'a');
      this.#sizeBytes = (await this.#file.stat()).sizeBytes;
    }
    await this.#file.write(bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.byteLength;
  }

  async #moveAside(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
    this.#sizeBytes = 0;
    await this.#env.files.rename(this.#path, `${this.#path}.1`);
  }
}
