/** Control groups that the jailer made for VMs: it leaves them behind. */
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { isThere } from '../../env/is-there.ts';
import { listCages } from '../cages.ts';
import type { JailOptions } from './command-line.ts';
import { GROUP_RETRY_MS, GROUP_TRIES_MAX } from './limits.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';

const CONTROL_GROUPS = '/sys/fs/cgroup';

/**
 * Removes the group of the VM that was caged in a run directory, if the jailer made one.
 * @throws KelpieError `vm_backend_failed` when it cannot be removed: the cage, which leads to it, must stay then.
 */
export async function removeControlGroup(
  env: Env,
  runDirectory: string,
  { parentCgroup }: Pick<JailOptions, 'parentCgroup'>,
): Promise<void> {
  for (const { execName, name } of await listCages(env.files, runDirectory)) {
    const path = `${CONTROL_GROUPS}/${parentCgroup ?? execName}/${name}`;
    await removeGroup(env, path);
  }
}

/** A group is a folder whose files cannot be removed: only the folder as a whole. What stays is one with a process in it. */
async function removeGroup(env: Env, path: string): Promise<void> {
  for (let tries = 1; await isThere(env.files, path); tries += 1) {
    const answer = await askProgram(env, 'rmdir', [path]);
    if (hasSucceeded(answer)) return;
    if (tries === GROUP_TRIES_MAX)
      throw new KelpieError(
        'vm_backend_failed',
        `the VM's control group stays behind: ${complaintOf(answer)}.`,
      );
    await env.clock.sleep(GROUP_RETRY_MS);
  }
}
