/** A worker of `kelpie sim`: reads jobs, a JSON document a line, from its input, and writes their answers. Ends with its input. */
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { createInPlaceCompute } from '../env/node/compute.ts';
import { createSettle } from '../env/node/settle.ts';
import { parseJob } from '../sim/jobs.ts';
import { doJob } from '../sim/worker.ts';
import type { Engine } from '../sim/run-plan.ts';

/** Worlds are made and dropped fifty times a second: collecting the young less often takes a tenth off each. */
const YOUNG_MIB = 64;

export async function runSimWorker(): Promise<number> {
  setFlagsFromString(`--max-semi-space-size=${YOUNG_MIB}`);
  const stackFrames = Error.stackTraceLimit;
  const strays: unknown[] = [];
  process.on('unhandledRejection', (error) => strays.push(error));
  const engine: Engine = {
    compute: createInPlaceCompute(),
    settle: createSettle(),
    takeStray: () => strays.shift() ?? null,
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const job = parseJob(line);
    // Simulated programs throw and catch all the time: the stacks that nobody reads are a tenth of the time.
    Error.stackTraceLimit = job.wants.length === 0 ? 0 : stackFrames;
    const answer = await doJob(engine, job);
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  return 0;
}
