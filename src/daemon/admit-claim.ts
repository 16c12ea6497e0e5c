/** What this host asks of a VM before it claims it: everything that would make the restore fail later, told together. */
import { checkCompatibility } from '../snapshot/compatibility/check.ts';
import { readHostFacts } from '../teleport/host-facts.ts';
import { incompatible } from '../teleport/incompatible.ts';
import { requirePorts } from './ports.ts';
import { snapshotFacts } from '../snapshot/compatibility/facts.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { ClaimGuard } from '../teleport/target.ts';
import type { Supervisor } from './supervisor.ts';

export function admitClaim(supervisor: Supervisor): ClaimGuard['admit'] {
  return async (found, config) => {
    const { metadata } = found.package;
    supervisor.registry.requireFreeName(config.name, metadata.vmId);
    await requireCompatible(supervisor, metadata, {
      name: config.name,
      carriesImage: found.package.imageFiles.length > 0,
    });
    await requirePorts(supervisor, config.publish, metadata.vmId);
  };
}

/**
 * @param carriesImage whether what brings the snapshot brings the files of its image too.
 * @throws KelpieError `restore_incompatible`, with all reasons.
 */
export async function requireCompatible(
  { host }: Supervisor,
  metadata: SnapshotMetadata,
  { name, carriesImage }: { readonly name: string; readonly carriesImage: boolean },
): Promise<void> {
  const { reasons } = checkCompatibility(snapshotFacts(metadata, carriesImage), await readHostFacts(host));
  if (reasons.length > 0) throw incompatible(name, reasons);
}
