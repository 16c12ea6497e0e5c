/**
 * The journal: one small file per operation under way, replaced atomically at each step that a crash must find. An operation writes its
 * intent before its first lasting act and removes its entry after its last, so what is found at the start of the daemon is exactly
 * what was cut; `recovery.ts` says what becomes of each.
 */
import { KelpieError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import { isSystemError } from '../env/system-error.ts';
import { localFailure } from '../snapshot/local-failure.ts';
import { MIB } from '../base/units.ts';
import { readJson, removeDurably, writeJsonDurably } from './durable-json.ts';
import { operation } from './operations.ts';
import type { Env } from '../env/env.ts';
import type { HostPlaces } from './host-places.ts';
import type { Operation } from './operations.ts';

/** An entry is far smaller; a larger file is not one. */
const ENTRY_BYTES_MAX: number = 4 * MIB;

export interface DamagedEntry {
  readonly path: string;
  readonly reason: string;
}

export class Journal {
  readonly #env: Env;
  readonly #places: HostPlaces;

  constructor(env: Env, places: HostPlaces) {
    this.#env = env;
    this.#places = places;
  }

  /**
   * Makes the entry of an operation durable before its first act. When that fails there is no operation, and nothing of it may be found
   * later: a forgotten "remove" that a restart carries out would take a VM away under its user.
   */
  async begin(entry: Operation): Promise<void> {
    try {
      await this.write(entry);
    } catch (error) {
      await this.#withdraw(entry, error);
      throw error;
    }
  }

  /** Makes the next step of an operation durable. A failure leaves the one before, or this one. */
  async write(entry: Operation): Promise<void> {
    await writeJsonDurably(this.#env.files, this.#places.operation(entry.id), entry);
  }

  /** The operation is over, whichever way. */
  async remove(entry: Operation): Promise<void> {
    await removeDurably(this.#env.files, this.#places.operation(entry.id));
  }

  /** Removes what crashes left of writes that never became entries. Nothing may be under way: its writes look just so. */
  async sweep(): Promise<void> {
    const directory = this.#places.operationsDirectory;
    for (const name of await this.#env.files.list(directory))
      if (entryId(name) === null) await this.#env.files.removeTree(`${directory}/${name}`);
  }

  /**
   * Every entry, oldest first, also while operations come and go. Damaged ones are told, not skipped: somebody must look.
   * @throws KelpieError `io_failed` when one cannot be read now.
   */
  async readAll(): Promise<{
    readonly entries: readonly Operation[];
    readonly damaged: readonly DamagedEntry[];
  }> {
    const entries: Operation[] = [];
    const damaged: DamagedEntry[] = [];
    for (const name of await this.#env.files.list(this.#places.operationsDirectory)) {
      const id = entryId(name);
      if (id === null) continue;
      try {
        const entry = await this.#read(id);
        if (entry !== null) entries.push(entry);
      } catch (error) {
        // One that the disk does not give now may hold a VM that is another host's already: nothing may run before it is read.
        // One that is larger than any that is written will not get smaller: it is damaged.
        if (isSystemError(error) && !isSystemError(error, 'EFBIG'))
          throw localFailure(error, 'read the journal');
        damaged.push({
          path: this.#places.operation(id),
          reason: error instanceof Error ? error.message : String(error),
        });
      }
    }
    entries.sort((a, b) => a.startedAtUnixMs - b.startedAtUnixMs || (a.id < b.id ? -1 : 1));
    return { entries, damaged };
  }

  async #withdraw(entry: Operation, cause: unknown): Promise<void> {
    try {
      await this.remove(entry);
    } catch (error) {
      const path = this.#places.operation(entry.id);
      throw new KelpieError(
        'io_failed',
        `the journal can neither be written nor put back: mend the disk, and remove ${path} before the daemon starts again.`,
        { cause: new AggregateError([cause, error]) },
      );
    }
  }

  /** Null when its operation has ended since it was listed. */
  async #read(id: string): Promise<Operation | null> {
    const value = await readJson(this.#env.files, this.#places.operation(id), ENTRY_BYTES_MAX);
    if (value === undefined) return null;
    const parsed = operation.safeParse(value);
    if (parsed.success && parsed.data.id === id) return parsed.data;
    throw new KelpieError('io_failed', `the journal entry ${id} cannot be understood.`, {
      cause: parsed.error,
    });
  }
}

/** Null for a file that is no entry: of a write that is under way, or was cut. */
function entryId(name: string): string | null {
  const id = name.replace(/\.json$/, '');
  return name.endsWith('.json') && isUuid(id) ? id : null;
}
