import type { Env } from '../../env/env.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isCaged, listCages } from '../cages.ts';

/** Processes that run in a directory: a free one has it as its working directory, a caged one is in a cage there. */
export async function findOrphans(
  { processes, files }: Pick<Env, 'processes' | 'files'>,
  runDirectory: string,
): Promise<readonly ProcessIdentity[]> {
  const cages = await listCages(files, runDirectory);
  const orphans: ProcessIdentity[] = [];
  for (const { identity, args } of await processes.list()) {
    if (isCaged(args, cages) || (await workingDirectory(files, identity)) === runDirectory)
      orphans.push(identity);
  }
  return orphans;
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
