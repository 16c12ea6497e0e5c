/** The network device of a VM: a TAP of the host, made before its process starts and removed when it has ended. */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { createSynced } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { NetworkOptions } from './context.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';

/** Names of devices have at most 15 characters. */
const PREFIX = 'kelpie';

/** Where the name of a VM's device is kept, for whoever clears up after a daemon that was killed. */
const NAME_FILE = 'tap';
const NAME_BYTES_MAX = 15;

/**
 * @param request.ownerUid who may attach to it: the user that Firecracker runs as.
 * @returns its name: the same for a VM each time.
 * @throws KelpieError `name_taken` when the name is in use, `permission_denied` without the right to make devices; nothing is left then.
 */
export async function createVmTap(
  env: Env,
  request: {
    readonly id: string;
    readonly runDirectory: string;
    readonly network: NetworkOptions;
    readonly ownerUid: number;
  },
): Promise<string> {
  const name = `${PREFIX}${request.id.replaceAll('-', '').slice(0, 9)}`;
  const { bridge } = request.network;
  await assertFree(env, name);
  await ip(env, ['tuntap', 'add', 'dev', name, 'mode', 'tap', 'user', String(request.ownerUid)]);
  try {
    await createSynced(env.files, `${request.runDirectory}/${NAME_FILE}`, utf8(name));
    if (bridge !== null) await ip(env, ['link', 'set', 'dev', name, 'master', bridge]);
    await ip(env, ['link', 'set', 'dev', name, 'up']);
  } catch (error) {
    await remove(env, name);
    throw error;
  }
  return name;
}

/** Of the VM that ran in a directory; no error when it has none. */
export async function removeVmTap(env: Env, runDirectory: string): Promise<void> {
  try {
    await remove(
      env,
      fromUtf8Lossy(await env.files.readFile(`${runDirectory}/${NAME_FILE}`, NAME_BYTES_MAX)),
    );
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

async function remove(env: Env, name: string): Promise<void> {
  if (await exists(env, name)) await ip(env, ['link', 'delete', 'dev', name]);
}

async function assertFree(env: Env, name: string): Promise<void> {
  if (!(await exists(env, name))) return;
  throw new KelpieError(
    'name_taken',
    `the network device ${name} exists already: remove it (\`ip link delete ${name}\`) if no VM uses it.`,
    { data: { device: name } },
  );
}

async function exists(env: Env, name: string): Promise<boolean> {
  return hasSucceeded(await askProgram(env, 'ip', ['link', 'show', 'dev', name]));
}

async function ip(env: Env, args: readonly string[]): Promise<void> {
  const answer = await askProgram(env, 'ip', args);
  if (hasSucceeded(answer)) return;
  const complaint = complaintOf(answer);
  const isRefused = /not permitted|denied/i.test(complaint);
  throw new KelpieError(
    isRefused ? 'permission_denied' : 'vm_start_failed',
    `the VM's network device cannot be made: \`ip ${args.join(' ')}\` says "${complaint}"${isRefused ? '; start the daemon as root, or without a network for VMs' : ''}.`,
  );
}
