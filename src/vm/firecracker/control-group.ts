/** Control groups that the jailer made for VMs: it leaves them behind. */
import type { Env } from '../../env/env.ts';
import { isThere } from '../../env/is-there.ts';
import { listIfThere } from '../../env/list-if-there.ts';
import type { JailOptions } from './command-line.ts';
import { jailBase } from './process-places.ts';
import { askProgram } from './programs.ts';

const CONTROL_GROUPS = '/sys/fs/cgroup';

/** Removes the group of the VM that was caged in a run directory, if the jailer made one. */
export async function removeControlGroup(
  env: Env,
  runDirectory: string,
  { parentCgroup }: Pick<JailOptions, 'parentCgroup'>,
): Promise<void> {
  for (const execName of await listIfThere(env.files, jailBase(runDirectory))) {
    for (const id of await listIfThere(env.files, `${jailBase(runDirectory)}/${execName}`)) {
      const path = `${CONTROL_GROUPS}/${parentCgroup ?? execName}/${id}`;
      // A group is a folder whose files cannot be removed: only the folder as a whole.
      if (await isThere(env.files, path)) await askProgram(env, 'rmdir', [path]);
    }
  }
}
