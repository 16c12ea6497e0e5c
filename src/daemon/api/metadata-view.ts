/** The part of a package's metadata that people look at. */
import { z } from 'zod';
import { portabilities, snapshotKinds } from '../../snapshot/metadata.ts';
import type { Architecture, ImageReference, Portability, SnapshotMetadata } from '../../snapshot/metadata.ts';
import { architecture, imageReference } from './fields.ts';

export interface MetadataView {
  readonly vmId: string;
  readonly vmName: string;
  readonly snapshotId: string;
  readonly parentId: string | null;
  readonly kind: 'suspend' | 'teleport' | 'checkpoint';
  readonly message: string;
  readonly createdAtUnixMs: number;
  readonly architecture: Architecture;
  readonly memoryMib: number;
  readonly image: ImageReference;
  readonly portability: Portability;
  readonly backend: string;
  readonly backendVersion: string;
  readonly machineType: string;
  readonly cpuModel: string;
  readonly accelerator: string;
}

export const metadataView: z.ZodType<MetadataView> = z.object({
  vmId: z.string(),
  vmName: z.string(),
  snapshotId: z.string(),
  parentId: z.string().nullable(),
  kind: z.enum(snapshotKinds),
  message: z.string(),
  createdAtUnixMs: z.number(),
  architecture,
  memoryMib: z.number(),
  image: imageReference,
  portability: z.enum(portabilities),
  backend: z.string(),
  backendVersion: z.string(),
  machineType: z.string(),
  cpuModel: z.string(),
  accelerator: z.string(),
});

export function toMetadataView(metadata: SnapshotMetadata): MetadataView {
  const { config, machine } = metadata;
  return {
    vmId: metadata.vmId,
    vmName: config.name,
    snapshotId: metadata.snapshotId,
    parentId: metadata.parentId,
    kind: metadata.kind,
    message: metadata.message,
    createdAtUnixMs: metadata.createdAtUnixMs,
    architecture: config.architecture,
    memoryMib: config.memoryMib,
    image: config.image,
    portability: config.portability,
    backend: machine.backend,
    backendVersion: machine.backendVersion,
    machineType: machine.machineType,
    cpuModel: machine.cpuModel,
    accelerator: machine.accelerator,
  };
}
