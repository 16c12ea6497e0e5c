import type { Env } from '../../env/env.ts';
import { listIfThere } from '../../env/list-if-there.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { jailBase } from './process-places.ts';

/**
 * Processes of this backend that run in a directory. A free one has its socket's path on its command line; a caged one, which sees
 * nothing of the host's paths, has the name of its cage.
 */
export async function findOrphans(
  { processes, files }: Pick<Env, 'processes' | 'files'>,
  runDirectory: string,
): Promise<readonly ProcessIdentity[]> {
  const cages = new Set<string>();
  for (const execName of await listIfThere(files, jailBase(runDirectory)))
    for (const id of await listIfThere(files, `${jailBase(runDirectory)}/${execName}`)) cages.add(id);
  const isOrphan = (args: readonly string[]): boolean =>
    args.some((arg, index) => {
      if (arg.startsWith(`${runDirectory}/`)) return args[index - 1] === '--api-sock';
      return cages.has(arg.replace(/^--id=/, '')) && (arg.startsWith('--id=') || args[index - 1] === '--id');
    });
  return (await processes.list()).filter(({ args }) => isOrphan(args)).map(({ identity }) => identity);
}
