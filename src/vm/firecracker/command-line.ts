import { names } from './process-places.ts';
import type { ProcessPlaces } from './process-places.ts';

/** How VMs are caged. The jailer must be started by root; Firecracker then is another user. */
export interface JailOptions {
  /** The jailer's program. */
  readonly program: string;
  readonly uid: number;
  readonly gid: number;
  /** `cpu.max=50000 100000`: written into the control group (version 2) of each VM, which is made for it. */
  readonly cgroups: readonly string[];
  /** The control group above those of the VMs; the jailer's own choice if null. */
  readonly parentCgroup: string | null;
  /** A network namespace that VMs join: `/var/run/netns/NAME`. */
  readonly networkNamespace: string | null;
}

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/** @param vmId names the VM in Firecracker's own messages. */
export function commandLine(
  program: string,
  vmId: string,
  places: ProcessPlaces,
  jail: JailOptions | null,
): CommandLine {
  // The whole path: so the process is found again by the folder it runs in. It is not in snapshots.
  if (jail === null || places.jail === null)
    return { command: program, args: ['--id', vmId, '--api-sock', places.api] };
  return {
    command: jail.program,
    args: [
      ...['--id', places.jail.id, '--exec-file', program],
      ...['--uid', String(jail.uid), '--gid', String(jail.gid)],
      ...['--chroot-base-dir', places.jail.base, '--cgroup-version', '2'],
      ...jail.cgroups.flatMap((setting) => ['--cgroup', setting]),
      ...(jail.parentCgroup === null ? [] : ['--parent-cgroup', jail.parentCgroup]),
      ...(jail.networkNamespace === null ? [] : ['--netns', jail.networkNamespace]),
      // What follows is Firecracker's own.
      ...['--', '--api-sock', names.api],
    ],
  };
}
