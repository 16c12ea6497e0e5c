/** Starts and stops of VMs on the stand-in, in every form that this machine allows: the first thing that one leaves behind ends it. */
import { cycleForms, runCycles } from '../../test/support/firecracker-cycles.ts';
import type { BenchmarkOptions, Findings } from '../benchmark.ts';
import { rowOf } from '../rows.ts';
import type { Row } from '../rows.ts';

export async function firecrackerCycles({ runs }: BenchmarkOptions): Promise<Findings> {
  const rows: Row[] = [];
  for (const form of await cycleForms()) {
    rows.push(
      rowOf({
        name: `start and stop of a VM ${form}`,
        unit: 'ms',
        samples: await runCycles(form, runs),
        note: 'no process, socket, file, device, control group, namespace, mount or descriptor is left',
      }),
    );
  }
  return { rows, peers: [] };
}
