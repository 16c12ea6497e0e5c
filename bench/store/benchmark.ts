/**
 * Publishing and restoring the memory of a VM that works, against the tools that a person would take instead (`peers.ts`), on the same
 * files in the same run.
 */
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { makeHost, prepare, scratchDirectory, tidyUp } from '../vm/homes.ts';
import { toRows } from './figures.ts';
import { measure } from './measure.ts';
import { makeMemoryImages } from './memory-images.ts';
import { peerVersions } from './peers.ts';

export async function storeBenchmark({ runs, input }: BenchmarkOptions): Promise<Findings> {
  const env = createNodeEnv();
  const peers = await peerVersions();
  try {
    const image = await prepare(env);
    const images = input ?? (await makeMemoryImages(env, makeHost('worker', image), scratchDirectory));
    const samples = await measure({ images, directory: scratchDirectory, runs });
    return { rows: toRows(samples), peers };
  } finally {
    await tidyUp(env);
  }
}
