import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet, parseCount, parseDurationMs, textOption } from '../command.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { ageText, shortId } from '../views.ts';
import type { MemberCommand, Options } from '../command.ts';
import type { PackagePrune, PackagePruned } from '../../daemon/api/package-care.ts';

export const packagePrune: MemberCommand = {
  summary: 'remove packages by their age',
  declare: (command) => {
    command
      .option('--store <store>', STORE_HELP)
      .option('--keep-last <n>', 'the newest so many of each VM')
      .option('--keep-daily <n>', 'the newest of each of the last so many days that have one')
      .option('--keep-weekly <n>', '… of so many weeks')
      .option('--keep-monthly <n>', '… of so many months')
      .option('--keep-yearly <n>', '… of so many years')
      .option('--keep-within <time>', 'all that are no older than this before the newest')
      .option('-n, --dry-run', 'say what would be removed')
      .addHelpText(
        'after',
        `
Each VM is counted for itself; what any of the rules keeps is kept. Days are those of UTC. A package in which a VM is at rest is never
removed, nor is any of a VM that is on its way. \`package gc\` then frees the space.

Examples:
  kelpie package prune --keep-last 3 --keep-daily 7 --keep-weekly 4 --dry-run --store /mnt/team
  kelpie package prune --keep-within 30d --store s3://bucket/team`,
      );
  },
  run: async (cli, _args, options) => {
    const isDryRun = isSet(options, 'dryRun');
    const pruned = await cli.operate(routes.packagePrune, {
      body: { storeUrl: storeOption(cli, options), rule: ruleOf(options), isDryRun },
    });
    const nowMs = cli.env.clock.wallMs();
    const rows = pruned.packages.map(({ id, vmName, createdAtUnixMs, keptBy }) => [
      shortId(id),
      vmName,
      ageText(createdAtUnixMs, nowMs),
      keptBy.length === 0 ? (isDryRun ? 'would go' : 'removed') : `kept: ${keptBy.join(', ')}`,
    ]);
    const table = cli.output.table(['PACKAGE', 'VM', 'CREATED', ''], rows);
    await cli.output.result(
      pruned,
      [...(rows.length > 0 ? [table] : []), ...summary(pruned, isDryRun)].join('\n'),
    );
    return 0;
  },
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function ruleOf(options: Options): PackagePrune['rule'] {
  const rule: Mutable<PackagePrune['rule']> = {};
  for (const kind of ['last', 'daily', 'weekly', 'monthly', 'yearly'] as const) {
    const text = textOption(options, `keep${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`);
    if (text !== null) rule[kind] = parseCount(text, `--keep-${kind}`);
  }
  const within = textOption(options, 'keepWithin');
  if (within !== null) rule.withinMs = parseDurationMs(within, '--keep-within');
  return rule;
}

function summary({ packages, damaged, freeableBytes }: PackagePruned, isDryRun: boolean): readonly string[] {
  const gone = packages.filter(({ keptBy }) => keptBy.length === 0).length;
  const lines = [`${gone} of ${packages.length} packages ${isDryRun ? 'would be removed' : 'removed'}`];
  if (damaged.length > 0)
    lines.push(`${damaged.length} damaged packages stay: ${damaged.map(shortId).join(' ')}`);
  if (freeableBytes !== null && freeableBytes > 0)
    lines.push(`nobody needs ${formatBytes(freeableBytes)} any more: kelpie package gc frees them`);
  return lines;
}
