import { z } from 'zod';
import { accelerators, backendNames } from './metadata.ts';
import type { MachineFacts } from './metadata.ts';

/** What ran a VM, from this host itself: its own records, and what its daemon tells. That of a package is checked word by word (`metadata-codec.ts`). */
export const machineFacts: z.ZodType<MachineFacts> = z.object({
  backend: z.enum(backendNames),
  backendVersion: z.string(),
  machineType: z.string(),
  cpuModel: z.string(),
  accelerator: z.enum(accelerators),
  deviceLayout: z.int(),
});
