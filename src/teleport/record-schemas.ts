/** Schemas of what this host writes about its own VMs. Read back they are checked, since disks and people damage files. */
import { z } from 'zod';
import type { DiskLayer, MemoryImage } from '../snapshot/local-snapshot.ts';
import type { MachineFacts, VmConfig } from '../snapshot/metadata.ts';

const port = z.int().min(1).max(65_535);

export const vmConfig: z.ZodType<VmConfig> = z.object({
  name: z.string().min(1),
  architecture: z.enum(['x86_64', 'arm64']),
  vcpuCount: z.int().positive(),
  memoryMib: z.int().positive(),
  diskMib: z.int().positive(),
  image: z.object({ name: z.string(), version: z.string(), digest: z.string() }),
  portability: z.enum(['host', 'arch', 'any']),
  publish: z.array(z.object({ hostPort: port, guestPort: port })),
});

export const backendName: z.ZodType<MachineFacts['backend']> = z.enum(['qemu', 'firecracker', 'vz', 'sim']);

export const machineFacts: z.ZodType<MachineFacts> = z.object({
  backend: backendName,
  backendVersion: z.string(),
  machineType: z.string(),
  cpuModel: z.string(),
  accelerator: z.enum(['tcg', 'kvm', 'hvf', 'none']),
  deviceLayout: z.int(),
});

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
