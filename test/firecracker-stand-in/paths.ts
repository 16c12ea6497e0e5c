/** Paths that a client names, as the process sees them: inside the jail, whose root is the working directory, or as they are. */
import { accessSync, chownSync, constants, statSync } from 'node:fs';
import type { Jail } from './settings.ts';

/** A path that this process can open. Jails stay relative, so that a socket's path is as short as inside the real chroot. */
export function hostPath(path: string, jail: Jail | null): string {
  if (jail === null) return path;
  const inside: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') inside.pop();
    else if (part !== '' && part !== '.') inside.push(part);
  }
  return inside.length === 0 ? '.' : inside.join('/');
}

/**
 * Whether the process may open a file: in a jail as the jail's user, though the stand-in does not change to it.
 * @throws Error of the system, `ENOENT`, `EACCES` …
 */
export function assertMayOpen(path: string, mode: 'r' | 'rw', jail: Jail | null): void {
  accessSync(path, mode === 'r' ? constants.R_OK : constants.R_OK | constants.W_OK);
  if (statSync(path).isDirectory()) throw systemError('EISDIR', path);
  if (jail !== null && !mayJailed(path, mode, jail)) throw systemError('EACCES', path);
}

function mayJailed(path: string, mode: 'r' | 'rw', jail: Jail): boolean {
  if (jail.uid === 0) return true;
  const { uid, gid, mode: bits } = statSync(path);
  const shift = uid === jail.uid ? 6 : gid === jail.gid ? 3 : 0;
  const wanted = mode === 'r' ? 0o4 : 0o6;
  return ((bits >> shift) & wanted) === wanted;
}

/** Gives a file that was just made to the jail's user, who would have made it. */
export function giveToJail(path: string, jail: Jail | null): void {
  if (jail !== null && process.getuid?.() === 0) chownSync(path, jail.uid, jail.gid);
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
