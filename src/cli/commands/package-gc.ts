import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet, parseDurationMs, textOption } from '../command.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import type { MemberCommand } from '../command.ts';
import type { PackageCollected } from '../../daemon/api/package-care.ts';

const GRACE_DEFAULT = '24h';

export const packageGc: MemberCommand = {
  summary: 'remove what no package of a store needs any more',
  declare: (command) => {
    command
      .option('--store <store>', STORE_HELP)
      .option(
        '--grace <time>',
        'leave alone what is younger: an interrupted upload goes on from it',
        GRACE_DEFAULT,
      )
      .option('-n, --dry-run', 'say what would be removed')
      .addHelpText(
        'after',
        `
Safe while others publish and restore. Nothing that a package needs is ever removed, also when this is interrupted; run it
again then.

Examples:
  kelpie package gc --dry-run --store /mnt/team
  kelpie package gc --grace 7d --store s3://bucket/team`,
      );
  },
  run: async (cli, _args, options) => {
    const grace = textOption(options, 'grace') ?? GRACE_DEFAULT;
    const graceMs = parseDurationMs(grace, '--grace');
    const isDryRun = isSet(options, 'dryRun');
    const collected = await cli.operate(routes.packageCollect, {
      body: { storeUrl: storeOption(cli, options), graceMs, isDryRun },
    });
    await cli.output.result(collected, report(collected, grace, isDryRun));
    return 0;
  },
};

function report(collected: PackageCollected, grace: string, isDryRun: boolean): string {
  const { packs, packBytes, removedPacks, removedBytes, youngPacks, youngBytes } = collected;
  const verb = isDryRun ? 'would remove' : 'removed';
  const lines = [
    `${verb} ${removedPacks} of ${packs} packs, ${formatBytes(removedBytes)} of ${formatBytes(packBytes)}`,
  ];
  if (youngPacks > 0)
    lines.push(
      `${youngPacks} more (${formatBytes(youngBytes)}) are needed by nobody, but younger than ${grace}: they stay`,
    );
  return lines.join('\n');
}
