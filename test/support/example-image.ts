/** A description for tests: each of its files is one byte, the first letter of its name. */
import { utf8 } from '../../src/base/bytes.ts';
import { createNodeCompute } from '../../src/env/node/compute.ts';
import { IMAGE_FILE_NAMES } from '../../src/image/paths.ts';
import type { ImageInfo } from '../../src/image/image-info.ts';

export function exampleImage(version = '1.0.0'): Omit<ImageInfo, 'digest'> {
  return {
    formatVersion: 1,
    name: 'base',
    version,
    architecture: 'x86_64',
    kernelVersion: '6.1.0-56-cloud-amd64',
    distribution: 'debian',
    release: 'bookworm',
    packages: [{ name: 'bash', version: '5.2.15-2+b13', architecture: 'amd64' }],
    agent: { version: '0.1.0', sha256: 'a'.repeat(64) },
    rootKind: 'squashfs',
    kernelArguments: ['quiet'],
    files: IMAGE_FILE_NAMES.map((name) => ({
      name,
      sizeBytes: 1,
      sha256: createNodeCompute().sha256(utf8(name.slice(0, 1))),
    })),
  };
}
