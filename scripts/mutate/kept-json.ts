/** A JSON file of `.cache/`, which one run leaves for the next. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';

export class KeptJson<T> {
  readonly #path: string;
  readonly #schema: z.ZodType<T>;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, schema: z.ZodType<T>) {
    this.#path = path;
    this.#schema = schema;
  }

  /** Null when nothing was kept yet. */
  async read(): Promise<T | null> {
    try {
      return this.#schema.parse(JSON.parse(await readFile(this.#path, 'utf8')));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  /** Whole or not at all, also when the run is cut. What several write at once is written one after the other: they share a file beside it. */
  async write(value: T): Promise<void> {
    const text = JSON.stringify(value);
    this.#writing = this.#writing.then(() => this.#replace(text));
    await this.#writing;
  }

  async #replace(text: string): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    await writeFile(`${this.#path}.new`, text);
    await rename(`${this.#path}.new`, this.#path);
  }
}
