/**
 * What a Firecracker process sees of the host: one folder, by relative names alone. A snapshot has the names in it, so they are the
 * same on every host, with a jail and without:
 *
 *     free     RUN/               working directory    names are symbolic links to the host's files
 *     jailed   RUN/jail/EXEC/ID/root/   its whole world      names are hard links, or copies across file systems
 */
import { utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import type { PureCompute } from '../../env/compute.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { jailBase } from '../cages.ts';
import { SOCKET_PATH_BYTES_MAX } from './limits.ts';

/** The names in the folder. What snapshots have of them never changes: `rootfs`, `data`, `vsock.sock`. */
export const names = {
  api: 'api.sock',
  vsock: 'vsock.sock',
  kernel: 'kernel',
  initramfs: 'initramfs',
  rootfs: 'rootfs',
  data: 'data',
  /** The memory file of a restored VM. */
  memory: 'memory',
  /** The device state that a VM is restored from. */
  state: 'state',
  newState: 'new-state',
  newMemory: 'new-memory',
  log: 'firecracker.log',
  metrics: 'metrics',
} as const;

/** The console, and what a jailer or Firecracker says before it has a log. */
const CONSOLE = 'console.log';

export interface JailPlace {
  /** Where the jailer makes its cages. */
  readonly base: string;
  /** The name of Firecracker's program. */
  readonly execName: string;
  /** Names the cage, and its control group. */
  readonly id: string;
}

export interface ProcessPlaces {
  /** The folder, as the host sees it. */
  readonly root: string;
  readonly api: string;
  readonly vsock: string;
  readonly log: string;
  readonly metrics: string;
  readonly console: string;
  readonly jail: JailPlace | null;
}

/**
 * What the kernel knows a VM's cage, control group and network device by: one name for its folder, since two homes of one host may have the
 * same VM for a moment, when it goes from one to the other.
 * @returns 12 lower-case hexadecimal digits.
 */
export function nameOnHost(compute: Pick<PureCompute, 'sha256'>, runDirectory: string): string {
  return compute.sha256(utf8(runDirectory)).slice(0, 12);
}

/**
 * @param cage null when the process is not caged. `program`: the path of Firecracker's program; `name`: `nameOnHost`.
 * @throws KelpieError `invalid_argument` when the folder's path is too long for the sockets in it.
 */
export function processPlaces(
  runDirectory: string,
  cage: { readonly program: string; readonly name: string } | null,
): ProcessPlaces {
  const jail = cage === null ? null : jailPlace(runDirectory, cage);
  const root = jail === null ? runDirectory : `${jail.base}/${jail.execName}/${jail.id}/root`;
  const longest = `${root}/${names.vsock}`;
  const lengthBytes = utf8(longest).byteLength;
  if (lengthBytes > SOCKET_PATH_BYTES_MAX) {
    throw new KelpieError(
      'invalid_argument',
      `${longest} is too long for a socket (${lengthBytes} bytes, at most ${SOCKET_PATH_BYTES_MAX}): use a shorter KELPIE_HOME.`,
      { data: { lengthBytes } },
    );
  }
  const at = (name: string): string => `${root}/${name}`;
  return {
    root,
    api: at(names.api),
    vsock: at(names.vsock),
    log: at(names.log),
    metrics: at(names.metrics),
    console: `${runDirectory}/${CONSOLE}`,
    jail,
  };
}

function jailPlace(
  runDirectory: string,
  { program, name }: { readonly program: string; readonly name: string },
): JailPlace {
  const execName = program.slice(program.lastIndexOf('/') + 1);
  return { base: jailBase(runDirectory), execName, id: name };
}

/**
 * Shows the process a file of the host.
 * @param access what a caged process, which is another user, may do with it. The folders above keep everybody else out.
 * @throws KelpieError `file_not_found`.
 */
export async function show(
  { files }: Pick<Env, 'files'>,
  places: ProcessPlaces,
  request: { readonly name: string; readonly path: string; readonly access: 'read' | 'write' },
): Promise<void> {
  const { name, path, access } = request;
  const target = `${places.root}/${name}`;
  await assertThere(files, path);
  if (places.jail === null) {
    await files.symlink(path, target);
    return;
  }
  try {
    await files.link(path, target);
  } catch (error) {
    if (!isSystemError(error, 'EXDEV') || access === 'write') throw error;
    await files.clone(path, target);
  }
  await files.changeMode(target, access === 'write' ? 0o666 : 0o644);
}

async function assertThere(files: Env['files'], path: string): Promise<void> {
  try {
    await files.stat(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new KelpieError('file_not_found', `${path} is missing, which the VM needs.`, { cause: error });
  }
}
