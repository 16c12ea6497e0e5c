/**
 * Sees which copy of the VM executes, from outside of the program: by the processor time of QEMU's threads that are the guest's CPUs. One that is paused takes none.
 *
 *     copy 1   ███████████████░░░░            executed in these looks
 *     copy 2                    ░░░░█████████
 *                    a later copy never before an older one's last
 */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isGone, isQemu, processesOf } from '../support/host-processes.ts';

const LOOK_MS = 250;
/** What a paused CPU's thread takes for being woken and sent back to sleep is a hundredth of that. */
const EXECUTED_NS_MIN = 3_000_000;

interface Copy {
  readonly pid: number;
  /** Of all its CPUs, when last looked at. */
  cpuNs: number;
  /** End of the first look that saw it execute; it had begun by then. */
  begunMs: number | null;
  /** Beginning of the last look that saw it execute; it had not ended by then. */
  notEndedMs: number;
}

export class Witness {
  readonly #directory: string;
  readonly #copies = new Map<number, Copy>();
  readonly #over = new AbortController();
  readonly #looking: Promise<void>;

  /** @param directory of which every QEMU is a copy of one VM. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#looking = this.#look();
    // Whoever ends it hears of its failure.
    this.#looking.catch(() => undefined);
  }

  /** Two copies that executed at once, or an older after a newer, in a sentence; null when none did. */
  overlap(): string | null {
    const begun = [...this.#copies.values()].filter(({ begunMs }) => begunMs !== null);
    const inOrder = begun.toSorted((a, b) => (a.begunMs ?? 0) - (b.begunMs ?? 0));
    for (const [index, older] of inOrder.entries()) {
      const newer = inOrder[index + 1];
      if (newer?.begunMs === undefined || newer.begunMs === null) continue;
      if (older.notEndedMs >= newer.begunMs)
        return `process ${older.pid} still executed ${Math.round(older.notEndedMs - newer.begunMs)} ms after process ${newer.pid} had begun`;
    }
    return null;
  }

  async end(): Promise<void> {
    this.#over.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    let fromMs = performance.now();
    while (!this.#over.signal.aborted) {
      for (const { pid } of (await processesOf(this.#directory)).filter(isQemu)) {
        const cpuNs = await cpuTimeNs(pid);
        if (cpuNs !== null) this.#note(pid, cpuNs, fromMs);
      }
      fromMs = performance.now();
      await delay(LOOK_MS);
    }
  }

  #note(pid: number, cpuNs: number, fromMs: number): void {
    const copy = this.#copies.get(pid) ?? { pid, cpuNs: 0, begunMs: null, notEndedMs: 0 };
    this.#copies.set(pid, copy);
    if (cpuNs - copy.cpuNs > EXECUTED_NS_MIN) {
      copy.begunMs ??= performance.now();
      copy.notEndedMs = fromMs;
    }
    copy.cpuNs = cpuNs;
  }
}

/** Null when the process has ended meanwhile. */
async function cpuTimeNs(pid: number): Promise<number | null> {
  try {
    let total = 0;
    for (const thread of await readdir(`/proc/${pid}/task`)) {
      const path = `/proc/${pid}/task/${thread}`;
      if (!(await readFile(`${path}/comm`, 'utf8')).startsWith('CPU ')) continue;
      total += Number((await readFile(`${path}/schedstat`, 'utf8')).split(' ')[0]);
    }
    return total;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}
