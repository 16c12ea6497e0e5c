/** A checkpoint's files into a fresh guest, by its `tar`: owner, mode, links, times and extended attributes as they were. */
import { KelpieError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import { formatBytes } from '../base/units.ts';
import type { ArchiveReader, StoredEntry } from './archive-reader.ts';
import { describeEnd, isSuccess, runInGuest } from './guest-command.ts';
import type { GuestContext } from './guest-command.ts';
import { FILES_STILL_MS, FILES_TIMEOUT_MS } from './limits.ts';
import { encodeTarEntry } from './tar-writer.ts';
import { encodeTarEnd, encodeTarPadding } from '../image/build/tar-writer.ts';

const NO_SPACE = /No space left on device/;

/** @throws KelpieError `limit_exceeded` when the guest's disk is too small, `guest_failed`, `guest_unreachable`, `snapshot_corrupt`, `canceled`. */
export async function putBack(
  context: GuestContext,
  archive: ArchiveReader,
  entries: readonly StoredEntry[],
  onProgress: (doneBytes: number) => void,
): Promise<void> {
  if (entries.length === 0) return;
  const input = tarOf(archive, entries, onProgress);
  const request = {
    argv: tarArguments,
    env: { LC_ALL: 'C' },
    input,
    timeoutMs: FILES_TIMEOUT_MS,
    stillMs: FILES_STILL_MS,
  };
  const end = await runInGuest(context, request, async (output) => {
    for await (const _ of output);
  });
  if (isSuccess(end)) return;
  if (end.messages.some((line) => NO_SPACE.test(line))) throw tooSmall(entries);
  throw new KelpieError(
    'guest_failed',
    `the workspace could not be put back: tar in the guest ${describeEnd(end, FILES_TIMEOUT_MS)}.`,
  );
}

/** What a disk must have for these files. */
export function bytesOf(entries: readonly StoredEntry[]): number {
  return entries.reduce((sum, { entry }) => sum + entry.sizeBytes, 0);
}

export function tooSmall(entries: readonly StoredEntry[]): KelpieError {
  const size = formatBytes(bytesOf(entries));
  return new KelpieError(
    'limit_exceeded',
    `the disk of the new VM is too small for the workspace of ${size}: give it a larger one with --disk.`,
  );
}

const tarArguments: readonly string[] = [
  'tar',
  '--extract',
  '--file=-',
  '--same-permissions',
  '--same-owner',
  '--numeric-owner',
  '--xattrs',
  '--xattrs-include=*',
  '--acls',
  '--delay-directory-restore',
  '--directory=/',
];

async function* tarOf(
  archive: ArchiveReader,
  entries: readonly StoredEntry[],
  onProgress: (doneBytes: number) => void,
): AsyncGenerator<Bytes, void> {
  let doneBytes = 0;
  for (const { entry, content } of entries) {
    yield encodeTarEntry(entry);
    if (entry.sizeBytes === 0) continue;
    yield* archive.read(content);
    yield encodeTarPadding(entry.sizeBytes);
    doneBytes += entry.sizeBytes;
    onProgress(doneBytes);
  }
  yield encodeTarEnd();
}
