/** A file system of 20 MB on this machine: for disks that are full or may not be written. Needs root, or sudo without a password. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

async function asRoot(program: string, ...args: readonly string[]): Promise<void> {
  if (process.getuid?.() === 0) await run(program, args);
  else await run('sudo', ['-n', program, ...args]);
}

export interface SmallFileSystem {
  readonly path: string;
  makeReadOnly(): Promise<void>;
  unmount(): Promise<void>;
}

export async function mountSmall(path: string): Promise<SmallFileSystem> {
  await mkdir(path);
  await asRoot('mount', '-t', 'tmpfs', '-o', 'size=20m,mode=0777', 'kelpie-test', path);
  return {
    path,
    makeReadOnly: () => asRoot('mount', '-o', 'remount,ro', path),
    unmount: () => asRoot('umount', path),
  };
}
