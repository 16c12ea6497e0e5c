import { routes } from '../../daemon/api/routes.ts';
import { formatBytes, formatDurationMs } from '../../base/units.ts';
import { textOption } from '../command.ts';
import { snapshotTree } from '../snapshot-tree.ts';
import { shortId } from '../views.ts';
import type { LeafCommand } from '../command.ts';

export const snapshot: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('-m, --message <text>', 'what it is for')
      .option('--rm <snapshot>', 'remove this snapshot instead (the beginning of its id will do)')
      .addHelpText(
        'after',
        '\nThe VM pauses for milliseconds and goes on; memory and disk are of the same instant.\n\nExamples:\n  kelpie snapshot dev -m "before refactor"\n  kelpie snapshot dev --rm 3f2a91',
      );
  },
  run: async (cli, [vm = ''], options) => {
    const removed = textOption(options, 'rm');
    if (removed !== null) {
      await cli.call(routes.snapshotRemove, { parameters: { vm, snapshot: removed } });
      await cli.output.result({ removed }, `snapshot ${removed} is removed`);
      return 0;
    }
    const created = await cli.operate(routes.snapshotCreate, {
      parameters: { vm },
      body: { message: textOption(options, 'message') ?? '' },
    });
    const { id, pauseMs, dirtyBytes } = created.snapshot;
    await cli.output.result(
      created,
      `snapshot ${shortId(id)} of ${vm} (paused for ${formatDurationMs(pauseMs)}, ${formatBytes(dirtyBytes)} written)`,
    );
    return 0;
  },
};

export const log: LeafCommand = {
  declare: (command) => {
    command.argument('<vm>', 'name or id').addHelpText('after', '\nExamples:\n  kelpie log dev');
  },
  run: async (cli, [vm = '']) => {
    const history = await cli.call(routes.snapshotLog, { parameters: { vm } });
    const text = snapshotTree(history, cli.env.clock.wallMs(), cli.output);
    await cli.output.result(
      history,
      text === '' ? `no snapshots of ${vm} yet: kelpie snapshot ${vm} takes one` : text,
    );
    return 0;
  },
};
