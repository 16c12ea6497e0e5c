import { assert } from '../../base/assert.ts';
import { GIB, MIB } from '../../base/units.ts';
import type { Architecture } from '../../snapshot/metadata.ts';

/** `length` bytes of RAM from `offset` on, which the guest sees from physical `address` on. */
export interface RamSegment {
  readonly offset: number;
  readonly length: number;
  readonly address: number;
}

/**
 * Where the guest sees its RAM. On q35 PCI devices take the space below 4 GiB from a point that depends on the memory's
 * size (`pc_q35_init` of QEMU), and the rest of the RAM lies above 4 GiB; on arm64's virt it is one piece from 1 GiB on.
 */
export function ramLayout(architecture: Architecture, memoryBytes: number): readonly RamSegment[] {
  assert(memoryBytes > 0, 'a VM has memory');
  if (architecture === 'arm64') return [{ offset: 0, length: memoryBytes, address: GIB }];
  const lowBytesMax = memoryBytes >= 2816 * MIB ? 2 * GIB : 2816 * MIB;
  if (memoryBytes <= lowBytesMax) return [{ offset: 0, length: memoryBytes, address: 0 }];
  return [
    { offset: 0, length: lowBytesMax, address: 0 },
    { offset: lowBytesMax, length: memoryBytes - lowBytesMax, address: 4 * GIB },
  ];
}

/** The pieces of `length` bytes from `offset` on, as the guest sees them. */
export function physicalPieces(
  layout: readonly RamSegment[],
  offset: number,
  length: number,
): readonly RamSegment[] {
  const pieces: RamSegment[] = [];
  for (const segment of layout) {
    const start = Math.max(offset, segment.offset);
    const end = Math.min(offset + length, segment.offset + segment.length);
    if (start < end)
      pieces.push({
        offset: start,
        length: end - start,
        address: segment.address + (start - segment.offset),
      });
  }
  return pieces;
}
