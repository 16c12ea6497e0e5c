import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSet, textOption } from '../command.ts';
import { absolutePath, shortId } from '../views.ts';
import type { LeafCommand } from '../command.ts';

export const reclaim: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('--from <store>', 'the store whose record says who has it')
      .option('-f, --force', 'do not wait for a lease to run out: you know that its host is gone for good')
      .addHelpText(
        'after',
        `
The VM goes back to its last package and is at rest there, for any host to restore. What its host did since
then is only on that host, which ends its copy before it lets it run again, and keeps it as a snapshot.

A VM with a lease is watched for the length of it: when its host renews, nothing is done. With --force nobody
looks: should the host run the VM still, it does so until it next asks the store.

Examples:
  kelpie reclaim dev --from s3://bucket/team
  kelpie reclaim dev --from /mnt/team --force`,
      );
  },
  run: async (cli, [vm = ''], options) => {
    const from = textOption(options, 'from');
    if (from === null) throw new KelpieError('usage', 'say in which store with --from STORE.');
    const storeUrl = absolutePath(cli.env, from);
    const force = isSet(options, 'force');
    if (force)
      await cli.output.notice(
        'by your word, the host that has it is gone for good: should it run the VM still, there are two until it next asks the store',
      );
    const done = await cli.operate(routes.reclaim, { body: { storeUrl, vm, force } });
    await cli.output.result(
      done,
      `${done.vmName} was taken from ${done.reclaimedFrom} and is at rest in package ${shortId(done.packageId)}\n` +
        `on any host: kelpie restore ${done.vmName} --from ${done.storeUrl}`,
    );
    return 0;
  },
};
