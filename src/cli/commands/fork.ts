import { routes } from '../../daemon/api/routes.ts';
import { FORK_COUNT_MAX } from '../../daemon/api/limits.ts';
import { errorCodes, isErrorCode } from '../../base/error-codes.ts';
import { KelpieError } from '../../base/errors.ts';
import { formatDurationMs } from '../../base/units.ts';
import {
  checkedOption,
  collect,
  listOption,
  parseCount,
  parseLeaseMs,
  parsePublish,
  requireWithin,
  textOption,
} from '../command.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { totalLine } from '../views.ts';
import type { Cli } from '../cli.ts';
import type { LeafCommand, Options } from '../command.ts';
import type { Copies, Forked } from '../../daemon/api/forks.ts';

export const fork: LeafCommand = {
  declare: (command) => {
    command
      .argument('<source>', 'a VM of this host; with --store: a VM of that store, or a package’s id')
      .argument(
        '[name]',
        'of the copy, or what the names of several begin with (default: SOURCE and a number)',
      )
      .option('--count <n>', `how many copies: 1 … ${FORK_COUNT_MAX} (default: 1)`)
      .option('--snapshot <id>', 'copies of this snapshot, instead of the VM as it is now')
      .option('--store <store>', `copies of a package of this store: ${STORE_HELP}`)
      .option(
        '--lease <duration>',
        'hold each copy by a lease, like 60s, in --store, or in the store that the VM came from',
      )
      .option('-p, --publish <host:guest>', 'port forwards, of one copy only; may be repeated', collect, [])
      .addHelpText(
        'after',
        `
The same processes go on in each copy, with the same memory, files and PIDs, from one instant on. The VM itself pauses for milliseconds and goes
on; nothing else happens to it. Copies share its memory and disk until they write. Each is a VM of its own: other id, hostname, machine-id and
randomness, its own network, no port forwards but those of --publish.

A copy that cannot be started is removed and told, and the exit status says so; when none can be, or after Ctrl-C, there is no copy.

Examples:
  kelpie fork dev                            dev-1, which goes on where dev is now
  kelpie fork dev try --count 20             try-1 … try-20
  kelpie fork dev old --snapshot 3f2a91      go back, and keep dev
  kelpie fork dev --store s3://bucket/team   from its last package there, wherever it runs`,
      );
  },
  run: async (cli, [source = '', name], options) => {
    const snapshotId = await checkedOption(options, 'snapshot', 'snapshotReference');
    const isOfStore = textOption(options, 'store') !== null;
    if (isOfStore && snapshotId !== null)
      throw new KelpieError(
        'usage',
        '--snapshot is for VMs of this host: name a package’s id instead of the VM.',
      );
    const copies = await wantedCopies(cli, source, name, options);
    const made: Forked = isOfStore
      ? await cli.operate(routes.forkPackage, {
          body: { ...copies, storeUrl: storeOption(cli, options), source },
        })
      : await cli.operate(routes.fork, {
          parameters: { vm: source },
          body: { ...copies, ...(snapshotId === null ? {} : { snapshotId }) },
        });
    await cli.output.result(made, [runningLine(made, source), ...failedLines(made)].join('\n'));
    const [failure] = made.failed;
    if (failure === undefined) return 0;
    return errorCodes[isErrorCode(failure.code) ? failure.code : 'internal'].exit;
  },
};

async function wantedCopies(
  cli: Cli,
  source: string,
  name: string | undefined,
  options: Options,
): Promise<Copies> {
  const bounds = { min: 1, max: FORK_COUNT_MAX };
  const count = requireWithin(parseCount(textOption(options, 'count') ?? '1', '--count'), '--count', bounds);
  const publish = listOption(options, 'publish').map(parsePublish);
  const lease = textOption(options, 'lease');
  return {
    count,
    ...(name === undefined ? {} : { name }),
    ...(publish.length === 0 ? {} : { publish }),
    ...(lease === null
      ? {}
      : {
          lease: {
            storeUrl: await leaseStore(cli, source, options),
            durationMs: parseLeaseMs(lease),
          },
        }),
  };
}

async function leaseStore(cli: Cli, source: string, options: Options): Promise<string> {
  if (textOption(options, 'store') !== null) return storeOption(cli, options);
  const { ownership } = await cli.call(routes.vmInspect, { parameters: { vm: source } });
  if (ownership !== null) return ownership.storeUrl;
  throw new KelpieError(
    'usage',
    `--lease needs a store, and "${source}" was never in one: fork it without, and teleport the copies.`,
  );
}

function runningLine({ vms, timings }: Forked, source: string): string {
  const names = vms.map(({ name }) => name).join(' ');
  const { pauseMs = null, ...phases } = timings;
  const paused = pauseMs === null ? '' : `; ${source} paused for ${formatDurationMs(pauseMs)}`;
  return `${names} ${vms.length === 1 ? 'is a running copy' : `are ${vms.length} running copies`} of ${source} (${totalLine(phases)}${paused})`;
}

function failedLines({ failed }: Forked): readonly string[] {
  return failed.map(({ name, reason }) => `${name} could not be started, and is gone again: ${reason}`);
}
