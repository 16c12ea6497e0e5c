import { createHash } from 'node:crypto';
import type { Bytes } from '../../src/base/bytes.ts';
import type { SnapshotMetadata, VmConfig } from '../../src/snapshot/metadata.ts';

export const sampleConfig: VmConfig = {
  name: 'dev',
  architecture: 'x86_64',
  vcpuCount: 2,
  memoryMib: 512,
  diskMib: 4096,
  image: { name: 'base', version: '1.0.0', digest: 'ab'.repeat(32) },
  portability: 'arch',
  publish: [{ hostPort: 8080, guestPort: 80 }],
};

export const sampleMetadata: SnapshotMetadata = {
  formatVersion: 1,
  snapshotId: '00000000-0000-4000-8000-000000000001',
  vmId: '00000000-0000-4000-8000-00000000000a',
  parentId: null,
  kind: 'teleport',
  message: 'before “refactor”',
  createdAtUnixMs: 1_700_000_000_000,
  config: sampleConfig,
  machine: {
    backend: 'qemu',
    backendVersion: '7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)',
    machineType: 'pc-q35-7.2',
    cpuModel: 'Nehalem-v1',
    accelerator: 'tcg',
    deviceLayout: 1,
  },
  source: {
    architecture: 'x86_64',
    kernel: 'Linux 6.1.0-18-amd64',
    cpu: {
      vendor: 'GenuineIntel',
      family: 6,
      model: 106,
      modelName: 'Intel(R) Xeon(R)',
      flags: ['aes', 'avx2'],
    },
  },
  guest: { bootId: '0b'.repeat(16), generation: 3 },
};

/** Bytes that differ from place to place and from seed to seed. */
export function patternBytes(length: number, seed: number): Bytes {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

export function sha256(bytes: Bytes): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The bytes as a stream of chunks of `step` bytes, each chunk a copy. */
export async function* streamOf(bytes: Bytes, step = 1000): AsyncGenerator<Bytes> {
  for (let offset = 0; offset < bytes.byteLength; offset += step) yield bytes.slice(offset, offset + step);
}
