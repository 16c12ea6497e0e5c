/**
 * What a test tells the stand-in, by the environment, since the command line is Firecracker's:
 *
 *   FIRECRACKER_STAND_IN_VERSION   the version to be, else the newest that the description is of
 *   FIRECRACKER_STAND_IN_FAULTS    a file with what shall go wrong (faults.ts), read again before each request
 *   FIRECRACKER_STAND_IN_BZIMAGE   `1`: compressed kernels boot as well, as in versions after 1.16
 *   FIRECRACKER_STAND_IN_QEMU      the emulator, else `qemu-system-x86_64`
 *   FIRECRACKER_STAND_IN_JAIL      `UID:GID`, set by the stand-in's jailer: the working directory is the root of all paths
 */
import { parseVersion, VERSION_DEFAULT } from '../../src/sim/firecracker/version.ts';
import type { Version } from '../../src/sim/firecracker/version.ts';

export interface Settings {
  readonly version: Version;
  readonly faultsPath: string | null;
  readonly hasBzImage: boolean;
  readonly qemu: string;
  readonly jail: Jail | null;
}

export interface Jail {
  readonly uid: number;
  readonly gid: number;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** @throws Error when a value is not one of those above. */
export function readSettings(variables: Variables): Settings {
  const jail = variables['FIRECRACKER_STAND_IN_JAIL'];
  return {
    version: parseVersion(variables['FIRECRACKER_STAND_IN_VERSION'] ?? VERSION_DEFAULT),
    faultsPath: variables['FIRECRACKER_STAND_IN_FAULTS'] ?? null,
    hasBzImage: variables['FIRECRACKER_STAND_IN_BZIMAGE'] === '1',
    qemu: variables['FIRECRACKER_STAND_IN_QEMU'] ?? 'qemu-system-x86_64',
    jail: jail === undefined ? null : parseJail(jail),
  };
}

function parseJail(textOfJail: string): Jail {
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(textOfJail) ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`${textOfJail} is not UID:GID`);
  return { uid: Number(uid), gid: Number(gid) };
}
