/** Control groups that the jailer made for VMs: it leaves them behind. */
import type { Env } from '../../env/env.ts';
import { isThere } from '../../env/is-there.ts';
import { listCages } from '../cages.ts';
import type { JailOptions } from './command-line.ts';
import { askProgram } from './programs.ts';

const CONTROL_GROUPS = '/sys/fs/cgroup';

/** Removes the group of the VM that was caged in a run directory, if the jailer made one. */
export async function removeControlGroup(
  env: Env,
  runDirectory: string,
  { parentCgroup }: Pick<JailOptions, 'parentCgroup'>,
): Promise<void> {
  for (const { execName, name } of await listCages(env.files, runDirectory)) {
    const path = `${CONTROL_GROUPS}/${parentCgroup ?? execName}/${name}`;
    // A group is a folder whose files cannot be removed: only the folder as a whole.
    if (await isThere(env.files, path)) await askProgram(env, 'rmdir', [path]);
  }
}
