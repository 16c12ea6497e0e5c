/** `kelpie sim --exhaustive`: every call of a short workload, hit in every way. */
import { errandPlan, runExhaustive } from '../../sim/exhaustive.ts';
import type { Aim } from '../../sim/plan.ts';
import type { Cli } from '../cli.ts';
import { parseCount, textOption } from '../command.ts';
import type { Options } from '../command.ts';
import { failureText, withCrew, writeDocument, writeText } from './options.ts';

const PROGRESS_MS = 2000;
const EXIT_FAILED = 1;
const MISSED_SHOWN_MAX = 20;

export async function exhaustive(cli: Cli, options: Options): Promise<number> {
  const callsPerPlaceMax = parseCount(textOption(options, 'callsPerPlace') ?? '1', '--calls-per-place');
  let drawnMs = cli.env.clock.monotonicMs();
  const report = await withCrew(cli, options, (crew) =>
    runExhaustive(crew, { callsPerPlaceMax }, async (answer, { aim, commands }, done, total) => {
      if (answer.violation !== null) {
        const path = `kelpie-sim-${nameOf(aim)}.json`;
        await writeText(cli, path, `${JSON.stringify(errandPlan(aim, commands), null, 2)}\n`);
        const text = await failureText(cli.env, answer, `kelpie sim --plan ${path} --log`);
        await cli.output.notice(`${aim.kind} at ${aim.actor} ${aim.site} #${aim.call}\n  ${text}`);
      }
      const nowMs = cli.env.clock.monotonicMs();
      if (nowMs - drawnMs < PROGRESS_MS) return;
      drawnMs = nowMs;
      await cli.output.notice(`${done} of ${total} runs`);
    }),
  );
  await writeDocument(cli, options, report);
  const missed = report.pairs.filter(({ hits }) => hits === 0).map(({ place, kind }) => `${kind} ${place}`);
  const share = ((100 * report.pairsHit) / Math.max(1, report.pairs.length)).toFixed(1);
  const lines = [
    `${report.runs} runs over ${report.calls} calls, ${report.failed.length} failed`,
    `fault × call-site pairs hit: ${report.pairsHit} of ${report.pairs.length} (${share} %)`,
    ...missed.slice(0, MISSED_SHOWN_MAX).map((text) => `  not hit: ${text}`),
  ];
  await cli.output.result(report, lines.join('\n'));
  return report.failed.length === 0 && missed.length === 0 ? 0 : EXIT_FAILED;
}

function nameOf({ actor, site, call, kind }: Aim): string {
  return `${actor}-${site}-${call}-${kind}`.replaceAll(/[^a-z0-9]+/gi, '-');
}
