/** What the commands that remove by age share: the rules of what is kept, as options, and what is told of each thing and of all. */
import type { Command } from 'commander';
import { parseCount, parseDurationMs, textOption } from './command.ts';
import type { Options } from './command.ts';
import type { PruneRule } from '../snapshot/prune-rule.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function declarePruneRule(command: Command): void {
  command
    .option('--keep-last <n>', 'the newest so many of each VM')
    .option('--keep-daily <n>', 'the newest of each of the last so many days that have one')
    .option('--keep-weekly <n>', '… of so many weeks')
    .option('--keep-monthly <n>', '… of so many months')
    .option('--keep-yearly <n>', '… of so many years')
    .option('--keep-within <time>', 'all that are no older than this before the newest')
    .option('-n, --dry-run', 'say what would be removed');
}

/** @throws KelpieError `usage`. */
export function pruneRuleOf(options: Options): PruneRule {
  const rule: Mutable<PruneRule> = {};
  for (const kind of ['last', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const text = textOption(options, `keep${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`);
    if (text !== null) rule[kind] = parseCount(text, `--keep-${kind}`);
  }
  const within = textOption(options, 'keepWithin');
  if (within !== null) rule.withinMs = parseDurationMs(within, '--keep-within');
  return rule;
}

/** What became of one, for a table. */
export function prunedText(keptBy: readonly string[], isDryRun: boolean): string {
  if (keptBy.length > 0) return `kept: ${keptBy.join(', ')}`;
  return isDryRun ? 'would go' : 'removed';
}

/** `2 of 5 packages removed` @param things `packages` */
export function prunedCountText(
  all: readonly { readonly keptBy: readonly string[] }[],
  things: string,
  isDryRun: boolean,
): string {
  const goneCount = all.filter(({ keptBy }) => keptBy.length === 0).length;
  return `${goneCount} of ${all.length} ${things} ${isDryRun ? 'would be removed' : 'removed'}`;
}
