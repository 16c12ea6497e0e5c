import type { Bytes } from '../base/bytes.ts';
import type { Cli } from './cli.ts';
import type { Progress } from './progress.ts';

/** Counts bytes on their way and shows them. */
export class Meter {
  readonly #progress: Progress;
  readonly #item: string;
  readonly #totalBytes: number | null;
  doneBytes = 0;

  /** @param path of what is copied; its last part is shown. */
  constructor(cli: Cli, path: string, totalBytes: number | null) {
    this.#progress = cli.progress();
    this.#item = path.split('/').at(-1) ?? path;
    this.#totalBytes = totalBytes;
  }

  async add(bytes: number): Promise<void> {
    this.doneBytes += bytes;
    await this.#progress.show({
      phase: 'copy',
      item: this.#item,
      doneBytes: this.doneBytes,
      totalBytes: this.#totalBytes,
    });
  }

  async *count(source: AsyncIterable<Bytes>): AsyncGenerator<Bytes, void> {
    for await (const bytes of source) {
      await this.add(bytes.byteLength);
      yield bytes;
    }
  }

  async finish(): Promise<void> {
    await this.#progress.finish();
  }
}
