import { closeSync, openSync, readSync } from 'node:fs';
import { Fault } from './fault.ts';

const ELF_MAGIC = 0x464c_457f;
/** `HdrS`, in the header of a compressed kernel. */
const BZIMAGE_MAGIC = 0x5372_6448;
const BZIMAGE_MAGIC_OFFSET = 0x202;
const HEADER_BYTES = 0x206;

/**
 * @param hasBzImage compressed kernels are kernels as well, as for Firecracker after 1.16.
 * @throws Fault when a file is no kernel that boots.
 */
export function assertKernel(path: string, hasBzImage: boolean): void {
  const header = Buffer.alloc(HEADER_BYTES);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
  if (header.readUInt32LE(0) === ELF_MAGIC) return;
  if (hasBzImage && header.readUInt32LE(BZIMAGE_MAGIC_OFFSET) === BZIMAGE_MAGIC) return;
  throw new Fault(
    'Start microvm error: System configuration error: Cannot load kernel due to invalid memory configuration or invalid kernel image: Kernel Loader: failed to load ELF kernel image: Invalid ELF magic number',
  );
}
