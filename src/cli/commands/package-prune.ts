import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet } from '../command.ts';
import { declarePruneRule, prunedCountText, prunedText, pruneRuleOf } from '../prune-options.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { ageText, shortId } from '../views.ts';
import type { MemberCommand } from '../command.ts';
import type { PackagePruned } from '../../daemon/api/package-care.ts';

export const packagePrune: MemberCommand = {
  summary: 'remove packages by their age',
  declare: (command) => {
    command.option('--store <store>', STORE_HELP);
    declarePruneRule(command);
    command.addHelpText(
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
      body: { storeUrl: storeOption(cli, options), rule: pruneRuleOf(options), isDryRun },
    });
    const nowMs = cli.env.clock.wallMs();
    const rows = pruned.packages.map(({ id, vmName, createdAtUnixMs, keptBy }) => [
      shortId(id),
      vmName,
      ageText(createdAtUnixMs, nowMs),
      prunedText(keptBy, isDryRun),
    ]);
    const table = cli.output.table(['PACKAGE', 'VM', 'CREATED', 'OUTCOME'], rows);
    await cli.output.result(
      pruned,
      [...(rows.length > 0 ? [table] : []), ...summary(pruned, isDryRun)].join('\n'),
    );
    return 0;
  },
};

function summary({ packages, damaged, freeableBytes }: PackagePruned, isDryRun: boolean): readonly string[] {
  const lines = [prunedCountText(packages, 'packages', isDryRun)];
  if (damaged.length > 0)
    lines.push(`${damaged.length} damaged packages stay: ${damaged.map(shortId).join(' ')}`);
  if (freeableBytes !== null && freeableBytes > 0)
    lines.push(`nobody needs ${formatBytes(freeableBytes)} any more: kelpie package gc frees them`);
  return lines;
}
