/** Mutants that no test can notice, since nothing that anybody sees is different with them. Each says why; a test holds that there are such mutants still. */
import type { Mutant } from './mutants.ts';

export interface Equivalent extends Pick<Mutant, 'file' | 'kind' | 'was'> {
  /** The line that it begins in, where the file has others that read the same. */
  readonly at?: string;
  readonly why: string;
}

const frameWriter = 'src/store/packages/frame-writer.ts';
const leaseWatch = 'src/teleport/lease-watch.ts';

export const equivalents: readonly Equivalent[] = [
  {
    file: frameWriter,
    kind: 'statement',
    was: 'freeBytes(bytes);',
    why: 'memory is given back sooner, which only a profile shows',
  },
  {
    file: frameWriter,
    kind: 'statement',
    was: 'pack.early.delete(pack.laidOut);',
    why: 'a number is laid out once, and the bytes were given back already',
  },
  {
    file: frameWriter,
    kind: 'constant',
    was: '1',
    at: 'await this.#putting.begin(1, async () => {',
    why: 'that lane has room for everything',
  },
  {
    file: 'src/teleport/supersede.ts',
    kind: 'logic',
    was: "vm.instance === null || vm.record.state !== 'paused'",
    why: 'one that is there and not paused has died, and the attempt to keep it ends in the same answer',
  },
  {
    file: leaseWatch,
    kind: 'statement',
    was: 'return;',
    why: 'the watch was abandoned the line before, and the next wait ends the loop',
  },
  {
    file: leaseWatch,
    kind: 'constant',
    was: 'true',
    at: "if (instance === null || record.state !== 'running') return true;",
    why: 'whoever reads the answer has made sure that there is an instance, and that it runs',
  },
];

export function isEquivalent(mutant: Mutant): boolean {
  return equivalents.some((one) => isOf(one, mutant));
}

export function isOf({ file, kind, was, at }: Equivalent, mutant: Mutant): boolean {
  if (mutant.file !== file || mutant.kind !== kind || mutant.was !== was) return false;
  return at === undefined || mutant.at === at;
}
