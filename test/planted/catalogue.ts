import { daemonBugs } from './serving.ts';
import { firecrackerBugs } from './firecracker.ts';
import { ownershipBugs } from './ownership.ts';
import type { PlantedBug } from './planted-bug.ts';
import { publishingBugs } from './publishing.ts';
import { recoveryBugs } from './recovering.ts';
import { serviceBugs } from './services.ts';
import { snapshotBugs } from './capturing.ts';

/** Every planted bug, by what it breaks. */
export const catalogue: ReadonlyMap<string, readonly PlantedBug[]> = new Map([
  ['ownership', ownershipBugs],
  ['publishing', publishingBugs],
  ['S3', serviceBugs],
  ['recovery', recoveryBugs],
  ['snapshots', snapshotBugs],
  ['Firecracker', firecrackerBugs],
  ['the daemon', daemonBugs],
]);

export const plantedBugs: readonly PlantedBug[] = [...catalogue.values()].flat();
