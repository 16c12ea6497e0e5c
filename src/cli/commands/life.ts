import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet, textOption } from '../command.ts';
import { shortId, stateText } from '../views.ts';
import type { LeafCommand } from '../command.ts';

export const pause: LeafCommand = {
  declare: (command) => {
    command.argument('<vm>', 'name or id').addHelpText('after', '\nExamples:\n  kelpie pause dev');
  },
  run: async (cli, [name = '']) => {
    const vm = await cli.call(routes.vmPause, { parameters: { vm: name } });
    await cli.output.result(vm, `${vm.name} is ${stateText(vm)}`);
    return 0;
  },
};

export const resume: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .addHelpText(
        'after',
        '\nA paused VM goes on where it stands, a suspended one where it was put to sleep.\n\nExamples:\n  kelpie resume dev',
      );
  },
  run: async (cli, [name = '']) => {
    const vm = await cli.operate(routes.vmResume, { parameters: { vm: name } });
    await cli.output.result(vm, `${vm.name} is ${stateText(vm)}`);
    return 0;
  },
};

export const suspend: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('-m, --message <text>', 'what it is for')
      .addHelpText(
        'after',
        '\nIts processes stay as they are, on disk: they take no memory, and a restart of this host does not end them. `kelpie resume` lets them go on.\n\nExamples:\n  kelpie suspend dev\n  kelpie resume dev',
      );
  },
  run: async (cli, [vm = ''], options) => {
    const suspended = await cli.operate(routes.vmSuspend, {
      parameters: { vm },
      body: { message: textOption(options, 'message') ?? '' },
    });
    const { id, dirtyBytes } = suspended.snapshot;
    await cli.output.result(
      suspended,
      `${vm} is suspended in snapshot ${shortId(id)} (${formatBytes(dirtyBytes)} written): kelpie resume ${vm}`,
    );
    return 0;
  },
};

export const stop: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('-f, --force', 'kill it instead of asking the guest to power off')
      .addHelpText(
        'after',
        '\nIts disk and snapshots stay: `kelpie up` boots it again, `kelpie restore` goes back to a snapshot.\n\nExamples:\n  kelpie stop dev',
      );
  },
  run: async (cli, [name = ''], options) => {
    const vm = await cli.call(routes.vmStop, {
      parameters: { vm: name },
      body: { force: isSet(options, 'force') },
    });
    await cli.output.result(vm, `${vm.name} is ${stateText(vm)}`);
    return 0;
  },
};

export const rm: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('-f, --force', 'stop it first when it runs')
      .addHelpText(
        'after',
        '\nPackages in stores are not touched.\n\nExamples:\n  kelpie rm dev\n  kelpie rm --force dev',
      );
  },
  run: async (cli, [name = ''], options) => {
    await cli.call(routes.vmRemove, { parameters: { vm: name }, query: { force: isSet(options, 'force') } });
    await cli.output.result({ removed: name }, `${name} is removed`);
    return 0;
  },
};
