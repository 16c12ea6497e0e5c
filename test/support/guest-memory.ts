/** The RAM of a VM on QEMU, seen from outside by other means than the backend's own: for tests that compare every byte. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { isGone } from './host-processes.ts';

const PIECE_BYTES = 4 * 1024 * 1024;

/** Where bytes are read from. */
export interface MemorySource {
  readonly path: string;
  readonly start: number;
}

/** The private mapping of that size in the process that was started with this run directory. */
export function memoryOfProcess(runDirectory: string, memoryBytes: number): MemorySource {
  const pid = readdirSync('/proc').find(
    (name) => /^\d+$/.test(name) && commandLine(name).includes(`${runDirectory}/`),
  );
  assert.ok(pid !== undefined, 'the process is there');
  const mappings = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) rw-p /.exec(line))
    .flatMap((match) => {
      const [, from, to] = match ?? [];
      if (from === undefined || to === undefined) return [];
      const start = Number.parseInt(from, 16);
      return Number.parseInt(to, 16) - start === memoryBytes ? [start] : [];
    });
  const [start, ...others] = mappings;
  assert.ok(start !== undefined && others.length === 0, 'one mapping has the size of the memory');
  return { path: `/proc/${pid}/mem`, start };
}

/** @throws AssertionError with the first page that differs. */
export function assertSameMemory(a: MemorySource, b: MemorySource, memoryBytes: number): void {
  const files = [openSync(a.path, 'r'), openSync(b.path, 'r')] as const;
  const pieces = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)] as const;
  try {
    for (let offset = 0; offset < memoryBytes; offset += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, memoryBytes - offset);
      assert.equal(readSync(files[0], pieces[0], 0, length, a.start + offset), length);
      assert.equal(readSync(files[1], pieces[1], 0, length, b.start + offset), length);
      if (pieces[0].compare(pieces[1], 0, length, 0, length) === 0) continue;
      const index = pieces[0].findIndex((byte, place) => byte !== pieces[1][place]);
      assert.fail(`page ${Math.floor((offset + index) / 4096)} differs`);
    }
  } finally {
    for (const file of files) closeSync(file);
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    // It ended between the listing and the look.
    if (isGone(error)) return '';
    throw error;
  }
}
