/** What this host asks of a VM before it claims it: everything that would make the restore fail later, told together. */
import { checkCompatibility, incompatible } from '../teleport/compatibility.ts';
import { requirePorts } from './ports.ts';
import type { MachineFacts, SnapshotMetadata } from '../snapshot/metadata.ts';
import type { HostAbilities } from '../teleport/compatibility.ts';
import type { ClaimGuard } from '../teleport/target.ts';
import type { Supervisor } from './supervisor.ts';

export function admitClaim(supervisor: Supervisor): ClaimGuard['admit'] {
  return async (found, config) => {
    const { metadata } = found.package;
    supervisor.registry.requireFreeName(config.name, metadata.vmId);
    await requireCompatible(supervisor, metadata, config.name);
    await requirePorts(supervisor, config.publish, metadata.vmId);
  };
}

/** @param name of the VM, for the sentence. @throws KelpieError `restore_incompatible`, with all reasons. */
export async function requireCompatible(
  supervisor: Supervisor,
  metadata: SnapshotMetadata,
  name: string,
): Promise<void> {
  const { reasons } = checkCompatibility(metadata, await abilities(supervisor, metadata.machine.backend));
  if (reasons.length > 0) throw incompatible(name, reasons);
}

/** Of the backend that the VM needs when this host has it, else of its best one, so that the reason names that. */
async function abilities(supervisor: Supervisor, wanted: MachineFacts['backend']): Promise<HostAbilities> {
  const { host } = supervisor;
  const same = host.backends.find(({ name }) => name === wanted);
  const { backend, probe } =
    same === undefined ? await host.factory.forHost() : { backend: same, probe: await same.probe() };
  return {
    architecture: host.env.host.architecture,
    architectures: probe.architectures,
    backend: backend.name,
    backendVersion: probe.version ?? 'unknown',
    accelerator: probe.accelerator,
    machineTypes: null,
    cpuModels: null,
  };
}
