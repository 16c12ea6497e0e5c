import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { collect, isSet, listOption } from '../command.ts';
import { STORE_HELP } from '../store-option.ts';
import { absolutePath } from '../views.ts';
import { describeStore, outsideLines, recipientLines } from './store-lines.ts';
import { storeHosts } from './store-hosts.ts';
import { storeRecipients } from './store-recipients.ts';
import type { CommandGroup } from '../command.ts';

export const store: CommandGroup = {
  members: {
    init: {
      summary: 'make an encrypted store, where there is none yet',
      declare: (command) => {
        command
          .argument('<store>', STORE_HELP)
          .option('--recipient <age>', 'who can read it, `age1…` (repeatable)', collect, [])
          .option('--self', 'this host can read it: the first recipient of kelpie key show')
          .addHelpText(
            'after',
            `
Every recipient can read and publish all packages, and change who else can. A store that nobody initialized becomes a plain one by the first
teleport, and a plain one cannot be encrypted afterwards.

Examples:
  kelpie store init s3://bucket/team --self
  kelpie store init /mnt/team --self --recipient age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z`,
          );
      },
      run: async (cli, [url = ''], options) => {
        const [recipients, self] = [listOption(options, 'recipient'), isSet(options, 'self')];
        if (recipients.length === 0 && !self)
          throw new KelpieError(
            'usage',
            'say who can read it: --self for this host, --recipient age1… for others.',
          );
        const body = { storeUrl: absolutePath(cli.env, url), recipients, self };
        const made = await cli.call(routes.storeInit, { body });
        const lines = [`${made.storeUrl} is an encrypted store now`, ...recipientLines(made.recipients)];
        await cli.output.result(made, [...lines, ...outsideLines(made)].join('\n'));
        return 0;
      },
    },
    show: {
      summary: 'a store: whether it is encrypted, for whom, and how many packages it has',
      declare: (command) => {
        command
          .argument('<store>', STORE_HELP)
          .addHelpText(
            'after',
            '\nExamples:\n  kelpie store show /mnt/team\n  kelpie store show s3://bucket/team --json',
          );
      },
      run: async (cli, [url = '']) => {
        const view = await cli.call(routes.storeShow, { query: { storeUrl: absolutePath(cli.env, url) } });
        await cli.output.result(view, describeStore(view));
        return 0;
      },
    },
    hosts: storeHosts,
    recipients: storeRecipients,
    rotate: {
      summary: 'seal what is published from now on with a new key',
      declare: (command) => {
        command.argument('<store>', STORE_HELP).addHelpText(
          'after',
          `
What it does: the store gets a new data key for its present recipients, and every host seals what it publishes from now on with that. Do it after
removing a recipient: whoever was removed cannot read what is new.
What it does not: packages and packs that are there stay as they are, under the old keys, which who was removed may have kept; new
packages go on referring to old packs for pages that did not change. No secret inside a VM becomes unknown by it: change those.
If that is not enough, make a new store, teleport the VMs there, and take away who may read the old one's bucket or directory.

Examples:
  kelpie store recipients s3://bucket/team --remove age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z
  kelpie store rotate s3://bucket/team`,
        );
      },
      run: async (cli, [url = '']) => {
        const rotated = await cli.call(routes.storeRotate, {
          body: { storeUrl: absolutePath(cli.env, url) },
        });
        await cli.output.result(
          rotated,
          `what is published in ${rotated.storeUrl} from now on is sealed with key ${rotated.keyIds.at(-1) ?? '?'}; what was published stays under the old ones`,
        );
        return 0;
      },
    },
  },
};
