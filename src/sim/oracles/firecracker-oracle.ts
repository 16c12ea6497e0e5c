/** What Firecrackers leave behind on a host beside their files: nothing, once every VM is removed. */
import type { World } from '../world/world.ts';

/** How they are called that run a VM, or are about to, or serve one. */
const PROGRAMS: ReadonlySet<string> = new Set(['firecracker', 'jailer', 'unshare', 'slirp4netns']);

/** What of all machines belongs to a VM. */
export function firecrackerRemains({ sites, kernels }: World): readonly string[] {
  const machines = [...new Set(sites.map(({ machine }) => machine))];
  const processes = machines.flatMap((machine) =>
    machine.processes.filter(({ args }) => PROGRAMS.has(args[0]?.split('/').at(-1) ?? '')),
  );
  const objects = [...kernels.values()].flatMap(({ madeTaps, vmGroups }) => [
    ...madeTaps.map((name) => `network device ${name}`),
    ...vmGroups.map((name) => `control group ${name}`),
  ]);
  return [...processes.map(({ label, identity }) => `process ${identity.pid} (${label})`), ...objects];
}
