import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import {
  checkedOption,
  collect,
  isSet,
  listOption,
  parseLeaseMs,
  parsePublish,
  textOption,
} from '../command.ts';
import { absolutePath, totalLine } from '../views.ts';
import { creationOptions } from './up.ts';
import type { LeafCommand, Options } from '../command.ts';
import type { NewMachine, Restored } from '../../daemon/api/snapshots.ts';

export const restore: LeafCommand = {
  declare: (command) => {
    command
      .argument('[vm]', 'name or id')
      .option('--from <store>', 'bring it here from this store: a directory, or s3://bucket/prefix')
      .option(
        '--package <id>',
        'with --from: this package (the beginning of its id will do), instead of the one that the VM is at rest in',
      )
      .option(
        '--snapshot <id>',
        'go back to this snapshot of this host (the beginning of its id will do; default: the last)',
      )
      .option('--replace', 'stop the VM first when it runs; what it did since its last snapshot is lost')
      .option(
        '--lease <duration>',
        'with --from: hold it by a lease, like 60s: should this host vanish, others may reclaim it',
      )
      .option('--name <name>', 'with --from, or for a checkpoint: another name on this host')
      .option('--arch <arch>', 'for a checkpoint: x86_64 or arm64 (default: this host’s)')
      .option('--memory <mib>', 'for a checkpoint: memory, like 512 or 4g (default: as it was)')
      .option('--disk <mib>', 'for a checkpoint: writable disk, like 4g (default: as it was)')
      .option('-p, --publish <host:guest>', 'with --from: other port forwards; may be repeated', collect, [])
      .addHelpText(
        'after',
        '\nExamples:\n  kelpie restore dev                      back to the last snapshot\n  kelpie restore dev --snapshot 3f2a91 --replace\n  kelpie restore dev --from /mnt/team     on another host: the same processes go on\n  kelpie restore --from /mnt/team --package 3f2a… --name again --arch arm64    of a checkpoint: a new VM',
      );
  },
  run: async (cli, [vm], options) => {
    const from = textOption(options, 'from');
    const packageId = await checkedOption(options, 'package', 'packageReference');
    const name = await checkedOption(options, 'name', 'vmName');
    const machine = newMachine(options);
    let result: Restored;
    if (from === null) {
      if (vm === undefined) throw new KelpieError('usage', 'name the VM to restore, or a store with --from.');
      if (packageId !== null) throw new KelpieError('usage', '--package needs --from STORE.');
      if (textOption(options, 'lease') !== null)
        throw new KelpieError('usage', '--lease needs --from STORE: the right to run a VM is held there.');
      const snapshotId = await checkedOption(options, 'snapshot', 'snapshotReference');
      const body = {
        ...(snapshotId === null ? {} : { snapshotId }),
        replace: isSet(options, 'replace'),
        ...(name === null ? {} : { name }),
        ...machine,
      };
      result = await cli.operate(routes.restoreLocal, { parameters: { vm }, body });
    } else {
      const publish = listOption(options, 'publish').map(parsePublish);
      const lease = textOption(options, 'lease');
      result = await cli.operate(routes.restoreFromStore, {
        body: {
          storeUrl: absolutePath(cli.env, from),
          ...(vm === undefined ? {} : { vm }),
          ...(packageId === null ? {} : { packageId }),
          ...(name === null ? {} : { name }),
          ...(publish.length === 0 ? {} : { publish }),
          ...(lease === null ? {} : { leaseMs: parseLeaseMs(lease) }),
          ...machine,
        },
      });
    }
    await cli.output.result(result, `${result.vm.name} is running again (${totalLine(result.timings)})`);
    return 0;
  },
};

/** What is chosen for the VM that a checkpoint becomes. */
function newMachine(options: Options): { readonly machine?: NewMachine } {
  const { architecture, memoryMib, diskMib } = creationOptions(options);
  const machine = {
    ...(architecture === undefined ? {} : { architecture }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    ...(diskMib === undefined ? {} : { diskMib }),
  };
  return Object.keys(machine).length === 0 ? {} : { machine };
}
