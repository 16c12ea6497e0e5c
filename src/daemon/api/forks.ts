/** Copies of VMs over the API. */
import { z } from 'zod';
import type { PortForward } from '../../snapshot/metadata.ts';
import { leaseOf, portForward, snapshotReference, storeUrl, vmName, vmReference } from './fields.ts';
import type { LeaseWish } from './fields.ts';
import { FORK_COUNT_MAX, VM_PORT_FORWARDS_MAX } from './limits.ts';
import { timings, vmView } from './vms.ts';
import type { Timings, VmView } from './vms.ts';

/** What the copies shall be. */
export interface Copies {
  /** Of the one copy; of several, what their names begin with. Absent: the name of the VM that they are of, and a number. */
  readonly name?: string;
  readonly count: number;
  /** Port forwards, of one copy only. Absent: none, since the VM that it is of has its own. */
  readonly publish?: readonly PortForward[];
  /** Hold each copy from its creation on. */
  readonly lease?: LeaseWish;
}

export interface Fork extends Copies {
  /** Absent: the VM as it is now. A unique beginning of an id will do. */
  readonly snapshotId?: string;
}

export interface ForkPackage extends Copies {
  readonly storeUrl: string;
  /** Name or id of a VM with a package there, or the beginning of a package's id. */
  readonly source: string;
}

const copies = {
  name: z.exactOptional(vmName),
  count: z
    .int('must be a whole number')
    .min(1, `must be 1 … ${FORK_COUNT_MAX}`)
    .max(FORK_COUNT_MAX, `must be 1 … ${FORK_COUNT_MAX}`)
    .default(1),
  publish: z.exactOptional(z.array(portForward).max(VM_PORT_FORWARDS_MAX)),
  lease: z.exactOptional(leaseOf),
};
const mayPublish = ({ count, publish = [] }: Copies): boolean => count === 1 || publish.length === 0;
const whyNot = 'several copies cannot have port forwards: a port of this host leads to one VM only';

export const fork: z.ZodType<Fork> = z
  .strictObject({ ...copies, snapshotId: z.exactOptional(snapshotReference) })
  .refine(mayPublish, whyNot);
export const forkPackage: z.ZodType<ForkPackage> = z
  .strictObject({ ...copies, storeUrl, source: vmReference })
  .refine(mayPublish, whyNot);

/** Phases: `check`, `image`, `download` of a package, `capture` of a VM; `files`, `memory`, `start`. */
export interface Forked {
  /** All of them run. */
  readonly vms: readonly VmView[];
  /** Those that could not be started, and are gone again. */
  readonly failed: readonly { readonly name: string; readonly code: string; readonly reason: string }[];
  readonly timings: Timings;
}
export const forked: z.ZodType<Forked> = z.object({
  vms: z.array(vmView),
  failed: z.array(z.object({ name: z.string(), code: z.string(), reason: z.string() })),
  timings,
});
