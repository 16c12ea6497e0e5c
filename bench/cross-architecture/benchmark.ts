/**
 * Running VMs between this host and one of the other architecture, whose QEMU is emulated (`test/support/crossing.ts`). A move in which one
 * page, or anything that the program in the VM holds, is not what it was, ends the benchmark with an error.
 */
import type { Architecture } from '../../src/snapshot/metadata.ts';
import { Crossing } from '../../test/support/crossing.ts';
import type { Move } from '../../test/support/crossing.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { rowOf } from '../rows.ts';
import type { Row } from '../rows.ts';

const guests: readonly Architecture[] = ['x86_64', 'arm64'];

export async function crossArchitectureBenchmark({ runs }: BenchmarkOptions): Promise<Findings> {
  const rows: Row[] = [];
  for (const guest of guests) rows.push(...(await measure(guest, runs)));
  return { rows, peers: [] };
}

async function measure(guest: Architecture, runs: number): Promise<readonly Row[]> {
  const there: Move[] = [];
  const back: Move[] = [];
  let exact = 0;
  await Crossing.with(async (crossing) => {
    let traveller = await crossing.boot(guest);
    for (let run = 1; run <= runs; run += 1) {
      const round = await crossing.round(traveller);
      there.push(round.there);
      back.push(round.back);
      ({ traveller } = round);
      console.log(`${guest}: round ${run} of ${runs} done`);
    }
    ({ exact } = crossing.witness);
  });
  return [...toRows(`${guest}, there`, there, exact), ...toRows(`${guest}, back`, back, exact)];
}

function toRows(name: string, moves: readonly Move[], exact: number): readonly Row[] {
  const row = (what: string, samples: readonly number[], note = ''): Row =>
    rowOf({ name: `${name}: ${what}`, unit: 'ms', samples, note });
  return [
    row(
      'teleport',
      moves.map(({ teleportMs }) => teleportMs),
      `${exact} of ${2 * moves.length} restores of this guest had every byte of its memory`,
    ),
    row(
      'restore',
      moves.map(({ restoreMs }) => restoreMs),
    ),
    row(
      'look through 64 MiB',
      moves.map(({ lookMs }) => lookMs),
    ),
  ];
}
