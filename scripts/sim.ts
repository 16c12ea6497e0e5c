/**
 * Runs the simulator: `scripts/sim.ts --seeds 100 [--seed S] [--faults a,b] [--json FILE] [--trace] [--log] [--until-failure]`. Without `--seed` it begins at 1, or at `DST_SEED`.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createInPlaceCompute } from '../src/env/node/compute.ts';
import { createSettle } from '../src/env/node/settle.ts';
import { runSeed } from '../src/sim/run-seed.ts';
import { Report } from '../src/sim/report.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    json: { type: 'string' },
    trace: { type: 'boolean', default: false },
    log: { type: 'boolean', default: false },
    'until-failure': { type: 'boolean', default: false },
  },
});

const strays: unknown[] = [];
process.on('unhandledRejection', (error) => strays.push(error));

const first = Number(values.seed ?? process.env['DST_SEED'] ?? 1);
const compute = createInPlaceCompute();
const settle = createSettle();
const report = new Report();
const startMs = performance.now();
for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
  const result = await runSeed({
    seed,
    compute,
    settle,
    faults: values.faults === undefined ? null : new Set(values.faults.split(',')),
    takeStray: () => strays.shift() ?? null,
    ...(values.trace
      ? {
          onStep: (task, nowMs) => console.log(`${nowMs.toFixed(2).padStart(10)} ${task.actor} ${task.site}`),
        }
      : {}),
  });
  report.add(result);
  if (values.log) for (const [site, log] of result.logs()) console.log(`--- kelpied.log of ${site}\n${log}`);
  if (result.violation === null) continue;
  console.log(`seed ${seed}: ${result.violation.oracle}: ${result.violation.what}`);
  console.log(`  replay: scripts/node scripts/sim.ts --seed ${seed}`);
  if (values['until-failure']) break;
}
const summary = report.summary((performance.now() - startMs) / 1000);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(summary, null, 2)}\n`);
console.log(report.text(summary));
process.exitCode = summary.failed.length === 0 ? 0 : 1;
