/**
 * A VM's console. QEMU keeps its end in a ring in its own memory, so that a guest that floods it can fill neither the disk
 * nor us, also while no daemon runs. Reading takes bytes out of the ring, so they go to a file, whose size is bounded too.
 */
import { concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Files } from '../../env/files.ts';
import { isSystemError } from '../../env/system-error.ts';
import { CONSOLE_CHARDEV } from './command-line.ts';
import { CONSOLE_BYTES_MAX } from '../limits.ts';
import type { QmpClient } from './qmp-client.ts';
import { readRing } from './qmp-commands.ts';

export class ConsoleLog {
  readonly #files: Files;
  readonly #path: string;
  #reading: Promise<Bytes> | null = null;

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /** The last `CONSOLE_BYTES_MAX`, with what has come since it was read last. */
  async read(qmp: QmpClient): Promise<Bytes> {
    // Two at once would each take a part of the ring and put them down in any order.
    this.#reading ??= this.#collect(qmp).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** What was read before; for a VM that is gone. */
  async kept(): Promise<Bytes> {
    try {
      return await this.#files.readFile(this.#path, 2 * CONSOLE_BYTES_MAX);
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return new Uint8Array(0);
      throw error;
    }
  }

  async #collect(qmp: QmpClient): Promise<Bytes> {
    const earlier = await this.kept();
    const fresh = decodeBase64(await readRing(qmp, CONSOLE_CHARDEV, CONSOLE_BYTES_MAX));
    if (fresh.byteLength === 0) return earlier;
    const all = concat([earlier, fresh]);
    const last = all.subarray(Math.max(0, all.byteLength - CONSOLE_BYTES_MAX));
    const file = await this.#files.open(this.#path, 'w');
    try {
      await file.write(last, 0);
    } finally {
      await file.close();
    }
    return last;
  }
}

function decodeBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
