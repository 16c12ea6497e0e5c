/**
 * Pause of a snapshot and time of a restore, of a VM that works, against QEMU’s own way and against a VM of eight times the
 * memory (`measure.ts` has the turns, `figures.ts` what they say).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from '../../src/env/env.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { VmConfig } from '../../src/snapshot/metadata.ts';
import type { BaseImage } from '../../test/support/base-image.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { toRows } from './figures.ts';
import { makeHost, prepare, scratchDirectory, tidyUp } from './homes.ts';
import { measure } from './measure.ts';
import { ReferenceVm } from './reference-vm.ts';
import { Ticks } from './ticks.ts';

export async function vmBenchmark({ runs }: BenchmarkOptions): Promise<Findings> {
  const env = createNodeEnv();
  const onSignal = (): void => {
    void tidyUp(env).finally(() => process.exit(130));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal);
  const ticks = await Ticks.listen();
  try {
    const image = await prepare(env);
    const hosts = {
      small: makeHost('small', image),
      large: makeHost('large', image),
      far: makeHost('far', image),
    };
    const samples = await measure({ hosts, reference: makeReference(env, image), ticks, runs });
    return { rows: toRows(samples), peers: [] };
  } finally {
    ticks.close();
    await tidyUp(env);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  }
}

function makeReference(env: Env, { info, files }: BaseImage): ReferenceVm {
  const directory = join(scratchDirectory, 'reference');
  mkdirSync(directory);
  const { name, version, digest, architecture } = info;
  const config: VmConfig = {
    name: 'reference',
    architecture,
    vcpuCount: 1,
    memoryMib: 512,
    diskMib: 4096,
    image: { name, version, digest },
    portability: 'arch',
    publish: [],
  };
  return new ReferenceVm(env, config, { runDirectory: directory, blobDirectory: directory, image: files });
}
