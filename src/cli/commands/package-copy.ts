import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { shortId } from '../views.ts';
import type { MemberCommand } from '../command.ts';

export const packageCopy: MemberCommand = {
  summary: 'copy a package to another store',
  declare: (command) => {
    command
      .argument('<package>', 'its id, or a unique beginning of it')
      .option('--from <store>', STORE_HELP)
      .option('--to <store>', STORE_HELP)
      .addHelpText(
        'after',
        `
Only what the other store lacks is sent, and all that this host can open is checked on the way; the package has the same id there. Who may run the VM does
not change. The stores must have the same keys, or none.

Examples:
  kelpie package copy 3f2a91 --from /mnt/team --to s3://bucket/archive`,
      );
  },
  run: async (cli, [id = ''], options) => {
    const [sourceUrl, targetUrl] = [storeOption(cli, options, 'from'), storeOption(cli, options, 'to')];
    const copied = await cli.operate(routes.packageCopy, { body: { package: id, sourceUrl, targetUrl } });
    const { packageId, copiedPacks, copiedBytes, presentPacks, isChecked } = copied;
    const shared = presentPacks === 0 ? '' : `; ${presentPacks} packs were there already`;
    const unchecked = isChecked ? '' : '; not checked, since this host cannot open it';
    await cli.output.result(
      copied,
      `package ${shortId(packageId)} is in ${targetUrl}: ${copiedPacks} packs, ${formatBytes(copiedBytes)} sent${shared}${unchecked}`,
    );
    return 0;
  },
};
