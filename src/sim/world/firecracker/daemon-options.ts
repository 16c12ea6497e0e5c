/** What a simulated daemon is told of its Firecrackers, and what of that its machine must have. */
import { utf8 } from '../../../base/bytes.ts';
import type { FirecrackerBackendOptions } from '../../../vm/firecracker/backend.ts';
import type { Volume } from '../../disk/volume.ts';
import type { FirecrackerHost } from '../../firecracker-hosts.ts';
import { Prng } from '../../prng.ts';
import { install } from '../install.ts';
import { BRIDGE, VMS_NAMESPACE } from './kernel-objects.ts';

const JAILER = '/usr/bin/jailer';
const SLIRP = '/usr/bin/slirp4netns';
const JAIL_UID = 123;
const JAIL_GID = 100;
/** Of the worlds with networks that take no rights. */
const ROOT_SHARE = 0.3;

export function daemonOptions({
  isCaged,
  network,
}: FirecrackerHost): Pick<FirecrackerBackendOptions, 'jail' | 'network'> {
  return {
    ...(isCaged
      ? {
          jail: {
            program: JAILER,
            uid: JAIL_UID,
            gid: JAIL_GID,
            cgroups: ['memory.max=1G'],
            parentCgroup: 'vms',
            networkNamespace: network === 'none' ? null : VMS_NAMESPACE,
          },
        }
      : {}),
    ...networkOptions(network),
  };
}

function networkOptions(network: FirecrackerHost['network']): Pick<FirecrackerBackendOptions, 'network'> {
  if (network === 'none') return {};
  if (network === 'user') return { network: { kind: 'user' } };
  return { network: { kind: 'tap', bridge: network === 'bridge' ? BRIDGE : null } };
}

/** Neither can be had by anybody but root. */
function needsRoot({ isCaged, network }: FirecrackerHost): boolean {
  return isCaged || network === 'tap' || network === 'bridge';
}

/** Whose daemon is root's: where it must be, and where networks of users are now and then. */
export function isRoot(seed: number, host: FirecrackerHost): boolean {
  return (
    needsRoot(host) ||
    (host.network === 'user' && Prng.named(seed, 'root of user networks').chance(ROOT_SHARE))
  );
}

/** What VMs there have of the kernel beside KVM. */
export function needsKernel(host: FirecrackerHost): boolean {
  return needsRoot(host) || host.network === 'user';
}

export function installHelpers(volume: Volume): void {
  install(volume, JAILER, utf8('jailer'), 0o755);
  install(volume, SLIRP, utf8('slirp4netns'), 0o755);
  install(volume, VMS_NAMESPACE, utf8(''), 0o444);
}
