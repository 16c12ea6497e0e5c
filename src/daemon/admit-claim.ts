/** What this host asks of a VM before it claims it: everything that would make the restore fail later, told together. */
import { requireCompatible } from '../teleport/host-facts.ts';
import { requirePorts } from './ports.ts';
import type { OperationListener } from '../teleport/progress.ts';
import type { ClaimGuard } from '../teleport/target.ts';
import type { Supervisor } from './supervisor.ts';

export function admitClaim(supervisor: Supervisor, listener: OperationListener): ClaimGuard['admit'] {
  return async (found, config) => {
    const { metadata } = found.package;
    supervisor.registry.requireFreeName(config.name, metadata.vmId);
    await requireCompatible(supervisor.host, metadata, {
      name: config.name,
      carriesImage: found.package.imageFiles.length > 0,
      listener,
    });
    await requirePorts(supervisor, config.publish, metadata.vmId);
  };
}
