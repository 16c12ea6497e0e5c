/**
 * What must hold, whatever is struck:
 *
 *     one-copy      at no time did two copies execute, nor an older one after a newer
 *     lost-vm       it runs on one host, or goes on from where a command finds it
 *     lost-time     the count is never behind an acknowledged snapshot or teleport; without the death of a VMM never behind at all
 *     memory        memory and disk are of one instant, every page is what was written last, the process is the same
 *     stands-still  what runs counts
 *     settles       everything that was cut is settled once nothing is wrong any more
 *     record        the store names the host that runs it
 *     refused       a command that nothing struck succeeds
 *     words         one that fails says so in a sentence with a code
 *     leak          processes, sockets, files, journal entries, mounts, uploads that nobody needs
 */
export type Oracle =
  | 'one-copy'
  | 'lost-vm'
  | 'lost-time'
  | 'memory'
  | 'stands-still'
  | 'settles'
  | 'record'
  | 'refused'
  | 'words'
  | 'leak';

export class Violation extends Error {
  readonly oracle: Oracle;

  constructor(oracle: Oracle, what: string) {
    super(what);
    this.name = 'Violation';
    this.oracle = oracle;
  }
}

export function violated(oracle: Oracle, what: string): never {
  throw new Violation(oracle, what);
}
