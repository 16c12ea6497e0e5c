/** Runs seeds: one, so many, or for so long. */
import { KelpieError } from '../../base/errors.ts';
import { formatDurationMs, SECOND_MS } from '../../base/units.ts';
import { runCampaign } from '../../sim/campaign.ts';
import { coverageNames, missingCoverage } from '../../sim/coverage.ts';
import type { Answer } from '../../sim/jobs.ts';
import type { Summary } from '../../sim/report.ts';
import type { Cli } from '../cli.ts';
import { isSet, parseCount, textOption } from '../command.ts';
import type { Options } from '../command.ts';
import { failureText, parseSeed, planOf, replayText, withCrew, worldsOf, writeDocument } from './options.ts';

const SEEDS_DEFAULT = 100;
const MINUTE_MS: number = 60 * SECOND_MS;
const PROGRESS_MS = 1000;
const PLAIN_PROGRESS_MS = 10_000;
/** Failures that are shown; the document of `--json` has all. */
const FAILURES_SHOWN_MAX = 20;
const EXIT_FAILED = 1;

export async function run(cli: Cli, options: Options): Promise<number> {
  const isOne =
    options['plan'] !== undefined ||
    (options['seed'] !== undefined && options['seeds'] === undefined && options['minutes'] === undefined);
  return isOne ? runOne(cli, options) : runMany(cli, options);
}

/** One run, with all that it can tell. */
async function runOne(cli: Cli, options: Options): Promise<number> {
  const plan = await planOf(cli, options, textOption(options, 'seed') ?? undefined);
  const { seed } = plan;
  const answer = await withCrew(cli, { ...options, workers: '1' }, (crew) =>
    crew.run({ plan, wants: ['logs'] }),
  );
  const lines: string[] = [];
  if (isSet(options, 'log'))
    for (const [site, log] of Object.entries(answer.logs)) lines.push(`--- kelpied.log of ${site}`, log);
  if (answer.violation !== null) lines.push(await failureText(cli.env, answer, replayText(options, seed)));
  lines.push(
    `seed ${seed}: ${answer.steps} steps, ${formatDurationMs(answer.simulatedMs)} of simulated time, hash ${answer.hash}`,
  );
  const { violation, hash, steps, simulatedMs, faults, sometimes } = answer;
  const document = { seed, violation, hash, steps, simulatedMs, faults, sometimes };
  await writeDocument(cli, options, document);
  await cli.output.result(document, lines.join('\n'));
  return violation === null ? 0 : EXIT_FAILED;
}

async function runMany(cli: Cli, options: Options): Promise<number> {
  const wanted = coverageNames(textOption(options, 'require')?.split(',') ?? []);
  const seedText = textOption(options, 'seed') ?? cli.env.host.variable('DST_SEED') ?? '1';
  const minutes = textOption(options, 'minutes');
  const timeMs = minutes === null ? null : parseCount(minutes, '--minutes') * MINUTE_MS;
  const seedsText = textOption(options, 'seeds') ?? (timeMs === null ? String(SEEDS_DEFAULT) : null);
  const campaign = {
    firstSeed: parseSeed(seedText),
    seeds: seedsText === null ? null : parseCount(seedsText, '--seeds'),
    timeMs,
    ...worldsOf(options),
    stopsAtFailure: isSet(options, 'untilFailure'),
  };
  if (campaign.seeds === 0) throw new KelpieError('usage', '--seeds must be at least 1.');
  const show = new CampaignView(cli, options);
  const summary = await withCrew(cli, options, (crew) =>
    runCampaign(crew, cli.env.clock, campaign, (answer, soFar) => show.seed(answer, soFar)),
  );
  await show.end();
  const missing = missingCoverage(summary, wanted);
  await writeDocument(cli, options, summary);
  const lines = [summaryText(summary)];
  if (missing.length > 0) lines.push(`coverage that was asked for and not reached: ${missing.join(', ')}`);
  await cli.output.result(summary, lines.join('\n'));
  return summary.failed.length === 0 && missing.length === 0 ? 0 : EXIT_FAILED;
}

/** Failures as they come, and a line that says how far it is. */
class CampaignView {
  readonly #cli: Cli;
  readonly #options: Options;
  #shown = 0;
  #drawnMs: number;
  #isLineOpen = false;

  constructor(cli: Cli, options: Options) {
    this.#cli = cli;
    this.#options = options;
    this.#drawnMs = cli.env.clock.monotonicMs();
  }

  async seed(answer: Answer, soFar: () => Summary): Promise<void> {
    if (answer.violation !== null) await this.#failure(answer);
    const { isErrorTty } = this.#cli.terminal;
    const nowMs = this.#cli.env.clock.monotonicMs();
    if (nowMs - this.#drawnMs < (isErrorTty ? PROGRESS_MS : PLAIN_PROGRESS_MS)) return;
    this.#drawnMs = nowMs;
    const line = progressText(soFar());
    const { columns = 80 } = this.#cli.terminal.size() ?? {};
    this.#isLineOpen = isErrorTty;
    await this.#cli.terminal.writeError(
      isErrorTty ? `\r\u001B[2K${line.slice(0, columns - 1)}` : `${line}\n`,
    );
  }

  async end(): Promise<void> {
    if (this.#isLineOpen) await this.#cli.terminal.writeError('\r\u001B[2K');
    this.#isLineOpen = false;
    const hidden = this.#shown - FAILURES_SHOWN_MAX;
    if (hidden > 0) await this.#cli.output.notice(`and ${hidden} more failed`);
  }

  async #failure(answer: Answer): Promise<void> {
    this.#shown += 1;
    if (this.#shown > FAILURES_SHOWN_MAX) return;
    if (this.#isLineOpen) await this.#cli.terminal.writeError('\r\u001B[2K');
    const replay = replayText(this.#options, answer.seed);
    await this.#cli.output.notice(await failureText(this.#cli.env, answer, replay));
  }
}

function progressText(summary: Summary): string {
  const faults = Object.values(summary.faults);
  const effective = faults.filter((count) => count.effective > 0).length;
  const paths = Object.keys(summary.sometimes).length;
  return `${summary.seeds} seeds, ${summary.failed.length} failed, ${summary.seedsPerSecond} seeds/s, ${formatDurationMs(summary.simulatedSeconds * SECOND_MS)} simulated, faults with effect ${effective}/${faults.length}, ${paths} paths`;
}

function summaryText(summary: Summary): string {
  const faults = Object.entries(summary.faults)
    .filter(([, { offered }]) => offered > 0)
    .map(([name, { offered, injected, effective }]) => `${name} ${offered}/${injected}/${effective}`);
  const sometimes = Object.entries(summary.sometimes).map(([name, count]) => `${name} ${count}`);
  return [
    progressText(summary),
    `${summary.steps} steps, hash ${summary.hash}`,
    `faults (offered/injected/effective): ${faults.join(', ')}`,
    `sometimes: ${sometimes.join(', ')}`,
  ].join('\n');
}
