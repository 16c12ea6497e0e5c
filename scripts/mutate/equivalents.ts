/** Mutants that no test can notice, since nothing is different with them. Each says why; a test holds that there are such mutants still. */
import type { Mutant } from './mutants.ts';

export interface Equivalent {
  readonly file: string;
  readonly kind: string;
  readonly was: string;
  readonly why: string;
}

export const equivalents: readonly Equivalent[] = [];

export function isEquivalent(mutant: Mutant): boolean {
  return equivalents.some((one) => isOf(one, mutant));
}

export function isOf({ file, kind, was }: Equivalent, mutant: Mutant): boolean {
  return mutant.file === file && mutant.kind === kind && mutant.was === was;
}
