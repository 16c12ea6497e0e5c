import { join } from 'node:path';
import type { SuiteOptions } from '../conformance-firecracker/options.ts';

const folder = join(import.meta.dirname, '../firecracker-stand-in');

/** The stand-in for Firecracker under the conformance suite, with the suite's own guest alone. */
export const standInOptions: SuiteOptions & { readonly jailer: string } = {
  binary: join(folder, 'firecracker'),
  jailer: join(folder, 'jailer'),
  guest: null,
  plainGuest: null,
  jsonPath: null,
  cycles: null,
};
