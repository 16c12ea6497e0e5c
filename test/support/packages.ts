/** Small packages in a store in this process's memory, and reading all of one. */
import { concat } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';
import type { Env } from '../../src/env/env.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { MemoryObjects } from '../../src/store/objects/memory/memory-objects.ts';
import { openPackage } from '../../src/store/packages/open-package.ts';
import type { PackageStore } from '../../src/store/packages/open-package.ts';
import { plainSealing } from '../../src/store/packages/sealing.ts';
import { collect } from './collect.ts';
import { quickCompute } from './quick-compute.ts';
import { MemoryFile } from './memory-file.ts';
import { patternBytes } from './sample-package.ts';
import type { WriterStore, WrittenContents } from './written-package.ts';

export const packagesEnv: Env = { ...createNodeEnv(), compute: quickCompute() };

export function memoryStore(): WriterStore {
  return { objects: new MemoryObjects(packagesEnv), sealing: plainSealing };
}

/** A mebibyte of which only these pages are not zero. @param seed other seeds, other bytes. */
export function memoryOf(pages: readonly number[], seed = 1, sizeMib = 1): Bytes {
  const bytes = new Uint8Array(sizeMib * MIB);
  for (const page of pages) bytes.set(patternBytes(40, seed * 1000 + page), page * PAGE_BYTES + (page % 100));
  return bytes;
}

/** A few hundred bytes in the store. */
export const tinyContents: WrittenContents = {
  memory: memoryOf([0, 1, 7, 200, 255]),
  disk: memoryOf([3], 2),
  deviceState: patternBytes(30, 3),
};

/** Everything that is in a package, by every way of reading it. @throws what reading throws. */
export async function readEverything(store: PackageStore, packageId: string): Promise<WrittenContents> {
  const opened = await openPackage(packagesEnv, store, packageId);
  const { memoryMib, diskMib } = opened.package.metadata.config;
  const deviceState = concat(await collect(opened.deviceState()));
  const memory = new MemoryFile(memoryMib * MIB);
  const disk = new MemoryFile(diskMib * MIB);
  await opened.fetchPages('memory', memory);
  await opened.fetchPages('disk', disk);
  for (const { name } of opened.package.imageFiles) await collect(opened.imageFile(name));
  return { memory: memory.bytes, disk: disk.bytes, deviceState };
}
