/** The network device of a VM: a TAP of the host, made before its process starts and removed when it has ended. */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { createSynced } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { nameOnHost } from './process-places.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';
import type { ProgramAnswer } from './programs.ts';

/** Names of devices have at most 15 characters. */
const PREFIX = 'kelpie';
const NAME_CHARS_MAX = 15;

/** Says which device is the VM's, for whoever clears up after a daemon that was killed: its name, and its namespace on a line below. */
const NOTE_FILE = 'tap';
const NOTE_BYTES_MAX = 4200;

/** A device, and where it is. */
interface Device {
  readonly name: string;
  /** The network namespace that it is in, by its path; null: the daemon's own. */
  readonly namespace: string | null;
}

/**
 * Whatever goes wrong, `removeVmTap` removes what was made, and no device of somebody else.
 * @param request.ownerUid who may attach to it: the user that Firecracker runs as.
 * @param request.namespace where Firecracker looks for it, by its path; null: where the daemon is.
 * @returns its name: the same for a VM of a home each time.
 * @throws KelpieError `name_taken` when the name is in use, `permission_denied` without the right to make devices, `vm_start_failed`,
 * `backend_unavailable` when a program for it is missing.
 */
export async function createVmTap(
  env: Env,
  request: {
    readonly runDirectory: string;
    /** That it joins; null: it stands alone. */
    readonly bridge: string | null;
    readonly ownerUid: number;
    readonly namespace: string | null;
  },
): Promise<string> {
  const { runDirectory, bridge, ownerUid, namespace } = request;
  const name = `${PREFIX}${nameOnHost(env.compute, runDirectory)}`.slice(0, NAME_CHARS_MAX);
  const device: Device = { name, namespace };
  await assertFree(env, device);
  // Before the device is there: one that nobody wrote down would stay for ever, and its name with it.
  await createSynced(env.files, noteOf(runDirectory), utf8(`${name}\n${namespace ?? ''}`));
  try {
    await ip(env, device, ['tuntap', 'add', 'dev', name, 'mode', 'tap', 'user', String(ownerUid)]);
  } catch (error) {
    // It was not made: one of this name is another's, who was faster.
    if (isKelpieError(error, 'permission_denied', 'vm_start_failed'))
      await env.files.removeTree(noteOf(runDirectory));
    throw error;
  }
  if (bridge !== null) await ip(env, device, ['link', 'set', 'dev', name, 'master', bridge]);
  await ip(env, device, ['link', 'set', 'dev', name, 'up']);
  return name;
}

/** Of the VM that ran in a directory; no error when it has none. @throws KelpieError as `createVmTap`. */
export async function removeVmTap(env: Env, runDirectory: string): Promise<void> {
  const device = await readNote(env, runDirectory);
  if (device === null) return;
  if (await exists(env, device)) await ip(env, device, ['link', 'delete', 'dev', device.name]);
  await env.files.removeTree(noteOf(runDirectory));
}

function noteOf(runDirectory: string): string {
  return `${runDirectory}/${NOTE_FILE}`;
}

/** Null when no device was made, or begun. */
async function readNote({ files }: Pick<Env, 'files'>, runDirectory: string): Promise<Device | null> {
  try {
    const note = fromUtf8Lossy(await files.readFile(noteOf(runDirectory), NOTE_BYTES_MAX));
    const [name = '', namespace = ''] = note.split('\n');
    return name === '' ? null : { name, namespace: namespace === '' ? null : namespace };
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    return null;
  }
}

async function assertFree(env: Env, device: Device): Promise<void> {
  if (!(await exists(env, device))) return;
  const { name } = device;
  throw new KelpieError(
    'name_taken',
    `the network device ${name} exists already: remove it (\`ip link delete ${name}\`) if no VM uses it.`,
    { data: { device: name } },
  );
}

/** A namespace that is gone has taken its devices with it. */
async function exists(env: Env, device: Device): Promise<boolean> {
  const args = ['link', 'show', 'dev', device.name];
  const answer = await ask(env, device, args);
  if (hasSucceeded(answer)) return true;
  if (/does not exist|cannot open .*: No such file/i.test(complaintOf(answer))) return false;
  throw refusal(args, answer);
}

async function ip(env: Env, device: Device, args: readonly string[]): Promise<void> {
  const answer = await ask(env, device, args);
  if (!hasSucceeded(answer)) throw refusal(args, answer);
}

function ask(env: Env, { namespace }: Device, args: readonly string[]): Promise<ProgramAnswer> {
  if (namespace === null) return askProgram(env, 'ip', args);
  return askProgram(env, 'nsenter', [`--net=${namespace}`, 'ip', ...args]);
}

function refusal(args: readonly string[], answer: ProgramAnswer): KelpieError {
  const complaint = complaintOf(answer);
  const isRefused = /not permitted|denied/i.test(complaint);
  return new KelpieError(
    isRefused ? 'permission_denied' : 'vm_start_failed',
    `the VM's network device fails: \`ip ${args.join(' ')}\` says "${complaint}"${isRefused ? '; start the daemon as root, or without a network for VMs' : ''}.`,
  );
}
