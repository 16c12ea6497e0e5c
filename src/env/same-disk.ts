import type { FileStat } from './files.ts';

/** Whether two files are on one file system of this machine. */
export function isSameDisk(a: Pick<FileStat, 'inode'>, b: Pick<FileStat, 'inode'>): boolean {
  return deviceOf(a) === deviceOf(b);
}

function deviceOf({ inode }: Pick<FileStat, 'inode'>): string {
  return inode.slice(0, inode.lastIndexOf(':'));
}
