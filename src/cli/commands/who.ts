import { routes } from '../../daemon/api/routes.ts';
import { textOption } from '../command.ts';
import { absolutePath } from '../views.ts';
import type { LeafCommand } from '../command.ts';

export const who: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('--from <store>', 'ask this store (default: the one that this host has the VM from)')
      .addHelpText('after', '\nExamples:\n  kelpie who dev\n  kelpie who dev --from s3://bucket/team');
  },
  run: async (cli, [vm = ''], options) => {
    const from = textOption(options, 'from');
    const view = await cli.call(routes.who, {
      parameters: { vm },
      query: { storeUrl: from === null ? undefined : absolutePath(cli.env, from) },
    });
    const operations = view.operations.map(
      ({ kind, step }) => `Under way here: ${kind}${step === null ? '' : ` (${step})`}.`,
    );
    const head = `${view.vmName}: ${view.mayRun === null ? 'nobody' : view.mayRun}${view.trouble === null ? '' : ', as far as this host knows'}`;
    await cli.output.result(view, [head, ...view.because, ...operations].join('\n  '));
    return 0;
  },
};
