/**
 * Ours: the code that a daemon publishes and fetches with, in a process of its own for each run (`ours-process.ts`), so that no
 * run is warmed by another and its resident memory is its own.
 */
import { join } from 'node:path';
import { numberAt, record } from '../../scripts/demo/kelpie.ts';
import { runCommand } from './command.ts';
import type { MemoryImages } from './memory-images.ts';

const node = join(import.meta.dirname, '../../scripts/node');
const program = join(import.meta.dirname, 'ours-process.ts');

/** As `bin/kelpie` gives everything that it starts one; without it, each thread would load first what strips types. */
const compileCache = join(import.meta.dirname, '../../.cache/compiled');

/** What one process did: published A, published B beside it, restored A; then restored C, as a host that has nothing (`bare`), and with A and B there (`back`). */
export interface OurRun {
  readonly firstMs: number;
  readonly firstMb: number;
  readonly firstRequests: number;
  readonly secondMs: number;
  readonly secondMb: number;
  readonly restoreMs: number;
  readonly bareMs: number;
  readonly bareMb: number;
  readonly backMs: number;
  readonly backMb: number;
  readonly residentPeakMb: number;
}

export interface OurStore {
  readonly url: string;
  /** Encrypted for one recipient. */
  readonly isSealed: boolean;
  readonly variables?: Readonly<Record<string, string>>;
}

/** Runs it once; the restored bytes are compared. */
export async function runOurs(store: OurStore, images: MemoryImages, directory: string): Promise<OurRun> {
  const request = { url: store.url, isSealed: store.isSealed, images, directory };
  const answer = await runCommand(node, [program, JSON.stringify(request)], {
    variables: { NODE_COMPILE_CACHE: compileCache, ...store.variables },
  });
  const told = record(JSON.parse(answer), 'what our process measured');
  return {
    firstMs: numberAt(told, 'firstMs'),
    firstMb: numberAt(told, 'firstMb'),
    firstRequests: numberAt(told, 'firstRequests'),
    secondMs: numberAt(told, 'secondMs'),
    secondMb: numberAt(told, 'secondMb'),
    restoreMs: numberAt(told, 'restoreMs'),
    bareMs: numberAt(told, 'bareMs'),
    bareMb: numberAt(told, 'bareMb'),
    backMs: numberAt(told, 'backMs'),
    backMb: numberAt(told, 'backMb'),
    residentPeakMb: numberAt(told, 'residentPeakMb'),
  };
}
