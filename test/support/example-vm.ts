import type { VmConfig } from '../../src/snapshot/metadata.ts';

/** A small VM, as a user would ask for it. */
export const exampleConfig: VmConfig = {
  name: 'dev',
  architecture: 'x86_64',
  vcpuCount: 1,
  memoryMib: 512,
  diskMib: 1024,
  image: { name: 'base', version: '1.0.0', digest: '0'.repeat(64) },
  portability: 'arch',
  publish: [],
};
