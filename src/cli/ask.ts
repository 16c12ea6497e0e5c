/** A question to the person at the terminal. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import type { Cli } from './cli.ts';

/** What is typed beyond it is no yes. */
const ANSWER_LENGTH_MAX = 16;

/** Scripts are never asked: neither those that read JSON nor those without a terminal. */
export function canAsk({ terminal, output }: Pick<Cli, 'terminal' | 'output'>): boolean {
  return terminal.isInputTty && terminal.isErrorTty && !output.isJson;
}

/** True for `y` or `yes` and Enter; whatever else, the end of the input too, is a no. */
export async function askYesNo({ terminal }: Pick<Cli, 'terminal'>, question: string): Promise<boolean> {
  await terminal.writeError(`${question} [y/N] `);
  const enough = new AbortController();
  let answer = '';
  for await (const bytes of terminal.readInput(enough.signal)) {
    answer += fromUtf8Lossy(bytes);
    if (answer.includes('\n') || answer.length > ANSWER_LENGTH_MAX) break;
  }
  enough.abort();
  return /^y(?:es)?\r?\n/i.test(answer);
}
