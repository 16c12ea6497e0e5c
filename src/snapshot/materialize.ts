import type { Bytes } from '../base/bytes.ts';
import { throwIfCanceled } from '../base/cancel.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { Clock } from '../env/clock.ts';
import type { Env } from '../env/env.ts';
import { attemptLocally } from './local-failure.ts';
import type { PageMap } from './page-map.ts';
import { readPages } from './page-reader.ts';

/** How long the process may work on a memory before others get a turn, in milliseconds. */
const TURN_MS_MAX = 8;

/**
 * Makes the mappable file of a memory at `targetPath`: full size, each page at its own place, zeros as holes. The name
 * appears when the file is whole.
 *
 * It is *not* durable, since a restore waits for it and it can be made again. So that a power cut cannot leave a file of
 * that name with other contents behind a reference, `makeDurable` (`env/durable-files.ts`) comes before the name is written into anything durable.
 * @throws KelpieError `snapshot_corrupt`, `disk_full`, `io_failed`, `canceled`; then nothing is left at `targetPath`.
 */
export async function materializeMemory(
  env: Pick<Env, 'files' | 'clock'>,
  map: PageMap,
  resolvePath: (pageFile: string) => string,
  targetPath: string,
  signal?: AbortSignal,
): Promise<void> {
  const partPath = `${targetPath}.part`;
  await attemptLocally('lay out the memory of the snapshot', async () => {
    try {
      await writeMappable(env, map, resolvePath, partPath, signal);
      await env.files.rename(partPath, targetPath);
    } catch (error) {
      await env.files.removeTree(partPath);
      throw error;
    }
  });
}

async function writeMappable(
  env: Pick<Env, 'files' | 'clock'>,
  map: PageMap,
  resolvePath: (pageFile: string) => string,
  partPath: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const turns = new Turns(env.clock);
  const target = await env.files.open(partPath, 'w');
  try {
    await target.truncate(map.pageCount * PAGE_BYTES);
    // One buffer for all, as long as the longest batch so far: fresh ones for gigabytes of pages would pile up until the collector comes.
    let buffer: Bytes = new Uint8Array(0);
    const allocate = (length: number): Bytes => {
      if (buffer.byteLength < length) buffer = new Uint8Array(length);
      return buffer.subarray(0, length);
    };
    for await (const { extents, bytes } of readPages(env.files, map, resolvePath, { signal, allocate })) {
      await target.writeBatch(extents, bytes);
      await turns.pass();
    }
    throwIfCanceled(signal, 'laying out the memory of a snapshot');
  } finally {
    await target.close();
  }
}

/** Batches do not give the event loop a turn by themselves. */
class Turns {
  readonly #clock: Clock;
  #startedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  async pass(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#startedMs < TURN_MS_MAX) return;
    await this.#clock.sleep(0);
    this.#startedMs = this.#clock.monotonicMs();
  }
}
