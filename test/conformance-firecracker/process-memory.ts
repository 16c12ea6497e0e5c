/**
 * A process's view of the guest's memory, by `/proc`: written here apart from Kelpie's own reading of it, as the suite judges what
 * that reading stands on.
 */
import { fromUtf8Lossy } from '../../src/base/bytes.ts';
import type { Env } from '../../src/env/env.ts';
import type { FileHandle } from '../../src/env/files.ts';
import { MIB } from '../../src/base/units.ts';
import type { UnderTest } from './under-test.ts';

export const PAGE = 4096;
const ENTRY = 8;
const PRESENT_OR_SWAPPED = 3n << 62n;
const OF_A_FILE = 1n << 61n;

/** Where a file is mapped, privately and in one piece. @throws Error when it is not. */
export async function privateMapping(
  { env, pid }: UnderTest,
  name: string,
  sizeBytes: number,
): Promise<number> {
  const maps = fromUtf8Lossy(await env.files.readFile(`/proc/${pid}/maps`, MIB));
  const found = maps.split('\n').flatMap((line) => {
    const [, start = '', end = '', access, offset, mapped] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \d+\s+(.*)$/.exec(line) ?? [];
    return mapped?.endsWith(`/${name}`) === true
      ? [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16), access, offset }]
      : [];
  });
  const [first] = found;
  const last = found.at(-1);
  if (first === undefined || last === undefined) throw new Error(`the process does not map ${name}`);
  const isWhole = found.every(({ access }) => access === 'rw-p') && last.end - first.start === sizeBytes;
  if (!isWhole) throw new Error(`the process does not map ${name} privately and whole:\n${maps}`);
  return first.start;
}

/** For each page from `address` on, whether the process has it for itself: written since the file was mapped. */
export async function ownPages(
  { env, pid }: UnderTest,
  address: number,
  sizeBytes: number,
): Promise<readonly boolean[]> {
  const pages = sizeBytes / PAGE;
  const entries = await readAt(env, `/proc/${pid}/pagemap`, (address / PAGE) * ENTRY, pages * ENTRY);
  return Array.from({ length: pages }, (_, page) => {
    const entry = entries.readBigUInt64LE(page * ENTRY);
    return (entry & PRESENT_OR_SWAPPED) !== 0n && (entry & OF_A_FILE) === 0n;
  });
}

/** The process's bytes. */
export async function processBytes(
  { env, pid }: UnderTest,
  address: number,
  sizeBytes: number,
): Promise<Buffer> {
  return await readAt(env, `/proc/${pid}/mem`, address, sizeBytes);
}

async function readAt(
  { files }: Pick<Env, 'files'>,
  path: string,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const file = await files.open(path, 'r');
  try {
    await readAll(file, bytes, position);
  } finally {
    await file.close();
  }
  return bytes;
}

async function readAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const bytesRead = await file.read(bytes.subarray(at), position + at);
    if (bytesRead === 0) throw new Error('the process has ended');
    at += bytesRead;
  }
}
