import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { collect, listOption } from '../command.ts';
import { STORE_HELP } from '../store-option.ts';
import { absolutePath } from '../views.ts';
import { outsideLines, recipientLines } from './store-lines.ts';
import type { MemberCommand } from '../command.ts';

export const storeRecipients: MemberCommand = {
  summary: 'add and remove who can read an encrypted store',
  declare: (command) => {
    command
      .argument('<store>', STORE_HELP)
      .option('--add <age>', 'can read and publish everything from now on, `age1…` (repeatable)', collect, [])
      .option('--remove <age>', 'gets no new keys (repeatable)', collect, [])
      .addHelpText(
        'after',
        `
Who is added can also read what was published before. Who is removed keeps what they could read: run \`kelpie store rotate\` afterwards, so
that they cannot read what is new, and take their credentials for the bucket away.

Examples:
  kelpie store recipients /mnt/team --add age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z
  kelpie store recipients s3://bucket/team --remove age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z`,
      );
  },
  run: async (cli, [url = ''], options) => {
    const [add, remove] = [listOption(options, 'add'), listOption(options, 'remove')];
    if (add.length === 0 && remove.length === 0)
      throw new KelpieError(
        'usage',
        'say whom with --add or --remove; `kelpie store show` lists who can read it.',
      );
    const storeUrl = absolutePath(cli.env, url);
    const keys = await cli.call(routes.storeRecipients, { body: { storeUrl, add, remove } });
    const lines = [`who can read ${storeUrl}:`, ...recipientLines(keys.recipients), ...outsideLines(keys)];
    if (remove.length > 0)
      lines.push(
        `who was removed may have kept the keys: kelpie store rotate ${storeUrl} seals what is new with another`,
      );
    await cli.output.result(keys, lines.join('\n'));
    return 0;
  },
};
