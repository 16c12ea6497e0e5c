/** What each test meets, kept for as long as neither what is mutated nor the file of the test has changed. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inParallel } from '../../src/base/in-parallel.ts';
import { root } from '../run-node.ts';
import { KeptJson } from './kept-json.ts';
import { keptTrialsSchema } from './trial.ts';
import type { Trial } from './trial.ts';
import { Trier } from './trier.ts';

/** Loading and running the tests of a file once. */
const COVER_MS_MAX = 1_800_000;

export interface Covering {
  readonly environment: Readonly<Record<string, string>>;
  /** With tests. */
  readonly files: readonly string[];
  /** Of what is mutated. */
  readonly digest: string;
  readonly workers: number;
}

/** Several files at once, each in a process. */
export async function cover({ environment, files, digest, workers }: Covering): Promise<readonly Trial[]> {
  const kept = new KeptJson(join(root, '.cache/mutant-trials.json'), keptTrialsSchema);
  const known = (await kept.read()) ?? {};
  await inParallel(files, workers, async (file) => {
    const own = createHash('sha256').update(digest);
    const whole = own.update(await readFile(join(root, file))).digest('hex');
    if (known[file]?.digest === whole) return;
    known[file] = { digest: whole, trials: await coverFile(environment, file) };
    await kept.write(known);
  });
  return files.flatMap((file) => known[file]?.trials ?? []);
}

async function coverFile(
  environment: Readonly<Record<string, string>>,
  file: string,
): Promise<readonly Trial[]> {
  const trier = new Trier(environment);
  try {
    const question = { kind: 'load', files: [file], forced: null, covers: true } as const;
    const answer = await trier.ask(question, COVER_MS_MAX);
    if (answer === 'ended' || answer === 'late' || answer.kind !== 'loaded')
      throw new Error(`${file} cannot be run: ${trier.words}`);
    const useless = answer.trials.filter(({ durationMs }) => durationMs === null);
    console.log(`${file}: ${answer.trials.length} tests`);
    for (const { name } of useless) console.log(`of no use, since it fails without mutants: ${name}`);
    if (useless.length > 0) console.log(trier.words);
    return answer.trials;
  } finally {
    await trier.end();
  }
}
