/**
 * A checkpoint of the example agent and its restore on one host, against a plain boot: what takes an application along without its memory must not cost
 * more than twice what a new VM does. Whole commands, on a host whose daemon and image are warm.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { objectOf, smallVm, withHosts } from '../../test/support/cli-host.ts';
import type { CliHost } from '../../test/support/cli-host.ts';
import { askAgent, startAgent } from '../../test/support/example-agent.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { rowOf } from '../rows.ts';
import { timed } from '../timed.ts';

/** Checkpoint and restore together, of a boot. */
const RATIO_MAX = 2;

interface Samples {
  readonly boot: number[];
  readonly checkpoint: number[];
  readonly restore: number[];
}

export async function checkpointBenchmark({ runs }: BenchmarkOptions): Promise<Findings> {
  const samples: Samples = { boot: [], checkpoint: [], restore: [] };
  await withHosts(async (make, scratch) => {
    const host = await make('host');
    const store = join(scratch, 'store');
    await mkdir(store);
    await host.must(['up', 'warm', ...smallVm]);
    await host.must(['rm', 'warm', '--force']);
    for (let run = 0; run < runs; run += 1) await measure(host, store, samples);
  });
  const { boot, checkpoint, restore } = samples;
  const both = checkpoint.map((ms, index) => ms + (restore[index] ?? 0));
  return {
    rows: [
      rowOf({ name: 'boot of the VM', unit: 'ms', samples: boot }),
      rowOf({ name: 'checkpoint of the example', unit: 'ms', samples: checkpoint, reference: boot }),
      rowOf({ name: 'restore of it as a new VM', unit: 'ms', samples: restore, reference: boot }),
      rowOf({
        name: 'both, against a boot',
        unit: 'ms',
        samples: both,
        reference: boot,
        target: { of: 'ratio', atMost: RATIO_MAX },
      }),
    ],
    peers: [],
  };
}

async function measure(host: CliHost, store: string, samples: Samples): Promise<void> {
  const up = await timed(() => host.must(['up', 'dev', ...smallVm]));
  samples.boot.push(up.durationMs);
  await startAgent(host, 'dev');
  await askAgent(host, 'dev', 'my name is Ada');
  const checkpoint = await timed(() => host.json(['checkpoint', 'dev', '--store', store]));
  samples.checkpoint.push(checkpoint.durationMs);
  await host.must(['rm', 'dev', '--force']);
  const packageId = String(objectOf(checkpoint.result['published'])['packageId']);
  const restore = await timed(() =>
    host.must(['restore', '--from', store, '--package', packageId, '--name', 'again']),
  );
  samples.restore.push(restore.durationMs);
  const answer = await askAgent(host, 'again', 'what is my name?');
  if (!answer.includes('Ada')) throw new Error(`the agent has forgotten what it was told: ${answer}`);
  await host.must(['rm', 'again', '--force']);
}
