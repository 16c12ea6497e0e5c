/** The archive of a checkpoint, as it is read: checked like what comes from a guest, since a package may come from anywhere. */
import { z } from 'zod';
import { collectBytes, fromUtf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import type { Files } from '../env/files.ts';
import { OpenPageFiles } from '../snapshot/open-page-files.ts';
import type { PagePiece } from '../snapshot/open-page-files.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import { entrySchema } from './entry.ts';
import type { ArchiveEntry } from './entry.ts';
import { EntryRules } from './entry-rules.ts';
import { partBytes, segmentsSchema } from './head.ts';
import type { CheckpointHead } from './head.ts';
import { workspaceRoots } from './application.ts';
import { ARCHIVE_PAGES_MAX, INDEX_BYTES_MAX } from './limits.ts';
import type { ArchivePart } from './page-gatherer.ts';

export interface StoredEntry {
  readonly entry: ArchiveEntry;
  readonly content: ArchivePart;
}

/** The rest of a line is the entry. */
const lineSchema = z.looseObject({ segments: segmentsSchema });

export class ArchiveReader {
  readonly #map: PageMap;
  readonly #files: OpenPageFiles;

  constructor(files: Files, map: PageMap, pathOf: (pageFile: string) => string) {
    this.#map = map;
    this.#files = new OpenPageFiles(files, pathOf);
  }

  /** The bytes of a part, segment by segment. @throws KelpieError `snapshot_corrupt`. */
  async *read({ page, segments }: ArchivePart): AsyncGenerator<Bytes, void> {
    let next = page;
    for (const length of segments) {
      const pages = Math.ceil(length / PAGE_BYTES);
      if (next + pages > this.#map.pageCount) throw corrupt('it lies outside of its archive');
      yield (await this.#pages(next, pages)).subarray(0, length);
      next += pages;
    }
  }

  /** Every entry with where its bytes are, in order. @throws KelpieError `snapshot_corrupt`. */
  async entries(head: CheckpointHead): Promise<readonly StoredEntry[]> {
    const bytes = await collectBytes(this.read(head.index), INDEX_BYTES_MAX, () =>
      corrupt('its index is too long'),
    );
    const lines = toLines(bytes);
    if (lines.length !== head.entryCount) throw corrupt('its index is of another length');
    const rules = new EntryRules(workspaceRoots(head.applications.map(({ application }) => application)));
    const entries: StoredEntry[] = [];
    let page = 0;
    for (const line of lines) {
      const { entry, segments } = parseLine(line);
      const fault = rules.admit(entry);
      if (fault !== null) throw corrupt(fault);
      if (partBytes({ segments }) !== entry.sizeBytes) throw corrupt('a file is of another length');
      entries.push({ entry, content: { page, segments } });
      page += segments.reduce((sum, length) => sum + Math.ceil(length / PAGE_BYTES), 0);
      if (page > ARCHIVE_PAGES_MAX) throw corrupt('its files do not fit into it');
    }
    return entries;
  }

  async close(): Promise<void> {
    await this.#files.close();
  }

  async #pages(first: number, count: number): Promise<Bytes> {
    const bytes = new Uint8Array(count * PAGE_BYTES);
    let pieces: PagePiece[] = [];
    for (let page = 0; page <= count; page += 1) {
      const place = page < count ? this.#map.find(first + page) : null;
      if (place !== null) {
        pieces.push({ ...place, count: 1 });
        continue;
      }
      // Before a page of zeros, which is in no file, or at the end.
      const start = page - pieces.length;
      await this.#files.read(pieces, bytes.subarray(start * PAGE_BYTES, page * PAGE_BYTES));
      pieces = [];
    }
    return bytes;
  }
}

function toLines(bytes: Bytes): readonly string[] {
  try {
    const lines = fromUtf8(bytes).split('\n');
    if (lines.pop() === '') return lines;
  } catch (error) {
    throw corrupt('its index is no text', error);
  }
  throw corrupt('its index is cut short');
}

function parseLine(line: string): { readonly entry: ArchiveEntry; readonly segments: readonly number[] } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw corrupt('its index cannot be read', error);
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) throw corrupt('its index cannot be read', parsed.error);
  const { segments, ...rest } = parsed.data;
  const entry = entrySchema.safeParse(rest);
  if (!entry.success) throw corrupt('its index cannot be read', entry.error);
  return { entry: entry.data, segments };
}

function corrupt(why: string, cause?: unknown): KelpieError {
  return new KelpieError('snapshot_corrupt', `the checkpoint cannot be used: ${why}.`, { cause });
}
