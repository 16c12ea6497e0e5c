import type { Env } from '../../env/env.ts';
import { listIfThere } from '../../env/list-if-there.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { jailBase } from './process-places.ts';

/**
 * Processes that run in a directory: a free one has it as its working directory; a caged one, which sees nothing of the host's
 * paths, has the name of its cage on its command line.
 */
export async function findOrphans(
  { processes, files }: Pick<Env, 'processes' | 'files'>,
  runDirectory: string,
): Promise<readonly ProcessIdentity[]> {
  const cages = new Set<string>();
  for (const execName of await listIfThere(files, jailBase(runDirectory)))
    for (const id of await listIfThere(files, `${jailBase(runDirectory)}/${execName}`)) cages.add(id);
  const orphans: ProcessIdentity[] = [];
  for (const { identity, args } of await processes.list()) {
    const isCaged = args.some((arg, index) => cages.has(arg.replace(/^--id=/, '')) && isId(args, index));
    if (isCaged || (await workingDirectory(files, identity)) === runDirectory) orphans.push(identity);
  }
  return orphans;
}

/** True for `--id=NAME`, and for a word after `--id`. */
function isId(args: readonly string[], index: number): boolean {
  return args[index]?.startsWith('--id=') === true || args[index - 1] === '--id';
}

/** Null when the process has ended, or is not ours to look at. */
async function workingDirectory(files: Env['files'], { pid }: ProcessIdentity): Promise<string | null> {
  try {
    return await files.readLink(`/proc/${pid}/cwd`);
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}
