/** How the stand-in's VMs are caged in tests; by root alone. */
import type { FirecrackerBackendOptions } from '../../src/vm/firecracker/backend.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { standInOptions } from './stand-in-options.ts';

/** Whom they run as: nobody else does. */
const JAIL_ID = 61_234;

/** With TAP devices in a namespace. */
export function cagedOptions({
  path,
}: Pick<NetworkNamespace, 'path'>): Required<Pick<FirecrackerBackendOptions, 'jail' | 'network'>> {
  return {
    jail: {
      program: standInOptions.jailer,
      uid: JAIL_ID,
      gid: JAIL_ID,
      cgroups: ['memory.max=1G'],
      parentCgroup: null,
      networkNamespace: path,
    },
    network: { kind: 'tap', bridge: null },
  };
}
