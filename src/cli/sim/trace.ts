/** `kelpie sim trace SEED --html FILE`: a run as a page. */
import { KelpieError } from '../../base/errors.ts';
import { renderTracePage } from '../../sim/trace-page.ts';
import type { Cli } from '../cli.ts';
import { textOption } from '../command.ts';
import type { Options } from '../command.ts';
import { planOf, replayText, sourcesOf, withCrew, writeDocument, writeText } from './options.ts';

export async function trace(cli: Cli, seedText: string | undefined, options: Options): Promise<number> {
  const path = textOption(options, 'html');
  if (path === null) throw new KelpieError('usage', 'say where the page goes: --html FILE.');
  const plan = await planOf(cli, options, seedText);
  const { seed } = plan;
  const answer = await withCrew(cli, { ...options, workers: '1' }, (crew) =>
    crew.run({ plan, wants: ['trace'] }),
  );
  const facts = {
    seed,
    sources: await sourcesOf(cli.env),
    replay: replayText(options, seed),
    oracle: answer.violation?.oracle ?? null,
    what: answer.violation?.what ?? null,
    steps: answer.steps,
    simulatedMs: answer.simulatedMs,
    hash: answer.hash,
  };
  const drawn = answer.trace ?? { events: [], isCut: false };
  await writeText(cli, path, renderTracePage(drawn, facts));
  const document = { ...facts, events: drawn.events.length, isCut: drawn.isCut, html: path };
  await writeDocument(cli, options, document);
  const verdict = facts.oracle === null ? 'no rule was broken' : `${facts.oracle}: ${facts.what ?? ''}`;
  await cli.output.result(document, `seed ${seed}: ${verdict}\n${drawn.events.length} events in ${path}`);
  return 0;
}
