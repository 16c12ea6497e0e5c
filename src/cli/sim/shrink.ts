/** `kelpie sim shrink SEED`: the smallest run that fails as the seed does. */
import { KelpieError } from '../../base/errors.ts';
import { formatDurationMs } from '../../base/units.ts';
import type { Plan } from '../../sim/plan.ts';
import { Shrinker } from '../../sim/shrink.ts';
import type { Cli } from '../cli.ts';
import { textOption } from '../command.ts';
import type { Options } from '../command.ts';
import { failureText, planOf, withCrew, writeDocument, writeText } from './options.ts';

export async function shrink(cli: Cli, seedText: string | undefined, options: Options): Promise<number> {
  const given = await planOf(cli, options, seedText);
  const { seed } = given;
  const path = textOption(options, 'output') ?? `kelpie-sim-${seed}.json`;
  const { shrunk, before } = await withCrew(cli, options, async (crew) => {
    const failure = await crew.run({ plan: given, wants: ['plan'] });
    const { plan, violation } = failure;
    if (plan === null || violation === null)
      throw new KelpieError('invalid_argument', `seed ${seed} does not fail: there is nothing to shrink.`);
    const shrinker = new Shrinker(crew, { ...failure, plan }, violation.oracle, (best, runs) =>
      cli.output.notice(`${runs} runs: ${sizeText(best)}`),
    );
    return { shrunk: await shrinker.shrink(), before: plan };
  });
  await writeText(cli, path, `${JSON.stringify(shrunk.plan, null, 2)}\n`);
  const document = { seed, plan: path, runs: shrunk.runs, violation: shrunk.answer.violation };
  await writeDocument(cli, options, document);
  const text = [
    await failureText(cli.env, shrunk.answer, `kelpie sim --plan ${path} --log`),
    `from ${sizeText(before)}`,
    `to   ${sizeText(shrunk.plan)}, in ${shrunk.runs} runs`,
    ...storyOf(shrunk.plan),
  ];
  await cli.output.result(document, text.join('\n'));
  return 0;
}

function sizeText({ acts, troubles, strikes }: Plan): string {
  const commands = typeof acts === 'number' ? acts : acts.length;
  return `${commands} commands, ${troubles.length + (strikes?.length ?? 0)} faults`;
}

/** The plan for people. */
function storyOf({ strategy, isOneMachine, acts, troubles, strikes }: Plan): readonly string[] {
  return [
    `${isOneMachine ? 'one machine, two homes' : 'two machines'}; ready acts in the order "${strategy}"`,
    ...(typeof acts === 'number' ? [] : acts).map(
      ({ site, thinkMs, name, vm, isBold }) =>
        `  ${site}: after ${formatDurationMs(thinkMs)} ${name} ${vm ?? ''}${isBold ? ' (bold)' : ''}`,
    ),
    ...troubles.map(({ atMs, name, site }) => `  at ${formatDurationMs(atMs)} ${name} on ${site}`),
    ...(strikes ?? []).map((key) => `  ${key}`),
  ];
}
