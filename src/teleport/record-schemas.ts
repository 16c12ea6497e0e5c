/** Schemas of what this host writes about its own VMs. Read back they are checked, since disks and people damage files. */
import { z } from 'zod';
import { architectures, backendNames, portabilities } from '../snapshot/metadata.ts';
import type { DiskLayer, MemoryImage } from '../snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../snapshot/metadata.ts';

const port = z.int().min(1).max(65_535);

export const vmConfig: z.ZodType<VmConfig> = z.object({
  name: z.string().min(1),
  architecture: z.enum(architectures),
  vcpuCount: z.int().positive(),
  memoryMib: z.int().positive(),
  diskMib: z.int().positive(),
  image: z.object({ name: z.string(), version: z.string(), digest: z.string() }),
  portability: z.enum(portabilities),
  publish: z.array(z.object({ hostPort: port, guestPort: port })),
});

export const backendName: z.ZodType<MachineFacts['backend']> = z.enum(backendNames);

export const diskLayer: z.ZodType<DiskLayer> = z.object({
  id: z.uuid(),
  format: z.enum(['raw', 'qcow2']),
  sizeBytes: z.int().positive(),
});

export const memoryImage: z.ZodType<MemoryImage> = z.object({
  mapPath: z.string(),
  pageFiles: z.array(z.uuid()),
  mappable: z.uuid().nullable(),
});
