/** How this host runs Firecracker, by variables of the daemon's environment (docs/FIRECRACKER.md). */
import { KelpieError } from '../../base/errors.ts';
import type { Host } from '../../env/host.ts';
import type { FirecrackerBackendOptions } from './backend.ts';
import type { JailOptions } from './command-line.ts';
import type { NetworkOptions } from './network.ts';

/** @throws KelpieError `usage` for a value that cannot be meant. */
export function firecrackerOptions(
  host: Pick<Host, 'variable'>,
  cacheDirectory: string,
): FirecrackerBackendOptions {
  const program = host.variable('KELPIE_FIRECRACKER');
  const jail = jailOptions(host);
  const network = networkOptions(host, jail !== null);
  return {
    cacheDirectory,
    ...(program === null ? {} : { program: absolute('KELPIE_FIRECRACKER', program) }),
    ...(jail === null ? {} : { jail }),
    ...(network === null ? {} : { network }),
  };
}

function jailOptions(host: Pick<Host, 'variable'>): JailOptions | null {
  const program = host.variable('KELPIE_JAILER');
  if (program === null) return null;
  const cgroups = host.variable('KELPIE_JAILER_CGROUPS') ?? '';
  return {
    program: absolute('KELPIE_JAILER', program),
    uid: id(host, 'KELPIE_JAILER_UID'),
    gid: id(host, 'KELPIE_JAILER_GID'),
    cgroups: cgroups.split(',').filter((setting) => setting !== ''),
    parentCgroup: host.variable('KELPIE_JAILER_PARENT_CGROUP'),
    networkNamespace: host.variable('KELPIE_JAILER_NETNS'),
  };
}

/** `user`, `none`, `tap` for a device that stands alone, or `bridge:NAME`. */
function networkOptions(host: Pick<Host, 'variable'>, isCaged: boolean): NetworkOptions | null {
  const text = host.variable('KELPIE_FIRECRACKER_NETWORK') ?? (isCaged ? 'none' : 'user');
  if (text === 'none') return null;
  if (text === 'user') {
    if (!isCaged) return { kind: 'user' };
    const message =
      'KELPIE_FIRECRACKER_NETWORK=user is not for VMs in cages: unset KELPIE_JAILER, or give them tap or bridge:NAME.';
    throw new KelpieError('usage', message);
  }
  if (text === 'tap') return { kind: 'tap', bridge: null };
  const bridge = /^bridge:([A-Za-z0-9._-]{1,15})$/.exec(text)?.[1];
  if (bridge !== undefined) return { kind: 'tap', bridge };
  throw new KelpieError(
    'usage',
    `KELPIE_FIRECRACKER_NETWORK must be user, none, tap or bridge:NAME, not "${text}".`,
  );
}

function absolute(name: string, path: string): string {
  if (path.startsWith('/')) return path;
  throw new KelpieError('usage', `${name} must be an absolute path, not "${path}".`);
}

/** Never root: what a jail is for. */
function id(host: Pick<Host, 'variable'>, name: string): number {
  const text = host.variable(name) ?? '';
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new KelpieError(
    'usage',
    `${name} must be the number of a user or group other than root, not "${text}".`,
  );
}
