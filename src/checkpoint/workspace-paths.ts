/** Whether the workspace is where it is said to be: a declared path that leads through a link would be of another place than people read. */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import type { GuestAgent, GuestFileInfo } from '../guest/guest-agent.ts';

/** @throws KelpieError `checkpoint_invalid` for a path that leads through a link, and one that is not there. */
export async function requireWorkspace(agent: GuestAgent, roots: readonly string[]): Promise<void> {
  const told = new Map<string, GuestFileInfo | null>();
  for (const root of roots) {
    for (const path of stepsOf(root)) {
      if (!told.has(path)) told.set(path, await infoOf(agent, path));
      const info = told.get(path) ?? null;
      if (info === null) throw invalid(`${root} of the workspace is not there`);
      if (info.type === 'symlink')
        throw invalid(`${root} of the workspace leads through a link, ${path}: declare where it leads`);
      if (path !== root && info.type !== 'directory') throw invalid(`${path} is no folder`);
    }
    const { type } = told.get(root) ?? { type: 'other' };
    if (type === 'other') throw invalid(`${root} of the workspace is neither a folder nor a file`);
  }
}

/** `/a/b/c` → `/a`, `/a/b`, `/a/b/c`. */
function stepsOf(path: string): readonly string[] {
  const parts = path.slice(1).split('/');
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

/** Null when it is not there. */
export async function infoOf(agent: GuestAgent, path: string): Promise<GuestFileInfo | null> {
  try {
    return await agent.stat(path);
  } catch (error) {
    if (isKelpieError(error, 'file_not_found')) return null;
    throw error;
  }
}

function invalid(why: string): KelpieError {
  return new KelpieError('checkpoint_invalid', `${why}.`);
}
