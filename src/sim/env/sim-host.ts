import { GIB } from '../../base/units.ts';
import type { Host } from '../../env/host.ts';
import type { SimProcess } from '../process.ts';

export const SIM_UID = 1000;

/** Facts of a process's machine. */
export function createSimHost(process: SimProcess): Host {
  const variables: Readonly<Record<string, string>> = {
    PATH: '/usr/bin',
    HOME: '/home/sim',
    AWS_ACCESS_KEY_ID: 'simulated',
    AWS_SECRET_ACCESS_KEY: 'simulated',
  };
  return {
    architecture: 'x86_64',
    platform: 'linux',
    name: process.machine.name,
    kernel: 'Linux 6.1.0-sim',
    cpuModel: 'Simulated CPU',
    cpuCount: 2,
    memoryBytes: 8 * GIB,
    pid: process.identity.pid,
    uid: process.uid,
    homeDirectory: '/home/sim',
    currentDirectory: '/',
    launcherPath: '/usr/bin/kelpie',
    installDirectory: '/usr/lib/kelpie',
    variable: (name) => variables[name] ?? null,
  };
}
