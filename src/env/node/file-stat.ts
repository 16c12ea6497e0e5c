import type { BigIntStats } from 'node:fs';
import type { FileStat } from '../files.ts';

/** What `st_blocks` counts, whatever the file system's own block is (POSIX leaves it open; Linux and macOS use 512). */
const STAT_BLOCK_BYTES = 512;

function kindOf(stats: BigIntStats): FileStat['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isSocket() ? 'socket' : 'other';
}

/** From the exact form of Node's answer: inode numbers may exceed 2^53. */
export function fileStat(stats: BigIntStats): FileStat {
  return {
    kind: kindOf(stats),
    sizeBytes: Number(stats.size),
    allocatedBytes: Number(stats.blocks) * STAT_BLOCK_BYTES,
    mode: Number(stats.mode & 0o7777n),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    modifiedMs: Number(stats.mtimeNs / 1000n) / 1000,
    inode: `${stats.dev}:${stats.ino}`,
    links: Number(stats.nlink),
  };
}
