import { concat, fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { routes } from '../../daemon/api/routes.ts';
import { ageText, mibText, paintState, publishText, stateText } from '../views.ts';
import type { LeafCommand } from '../command.ts';

export const ps: LeafCommand = {
  declare: (command) => {
    command.addHelpText('after', '\nExamples:\n  kelpie ps\n  kelpie ps --json');
  },
  run: async (cli) => {
    const list = await cli.call(routes.vmList);
    const nowMs = cli.env.clock.wallMs();
    const rows = list.vms.map((vm) => [
      vm.name,
      stateText(vm),
      String(vm.vcpuCount),
      mibText(vm.memoryMib),
      vm.architecture,
      publishText(vm),
      ageText(vm.createdAtUnixMs, nowMs),
    ]);
    const table = cli.output.table(
      ['NAME', 'STATE', 'CPUS', 'MEMORY', 'ARCH', 'PORTS', 'CREATED'],
      rows,
      (cell, column) => (column === 1 ? paintState(cli.output, cell) : cell),
    );
    await cli.output.result(
      list,
      list.vms.length === 0 ? 'no VMs on this host yet: kelpie up NAME makes one' : table,
    );
    return 0;
  },
};

export const logs: LeafCommand = {
  declare: (command) => {
    command.argument('<vm>', 'name or id').addHelpText('after', '\nExamples:\n  kelpie logs dev');
  },
  run: async (cli, [vm = '']) => {
    const daemon = await cli.daemon();
    const response = await daemon.download(routes.vmLogs, { parameters: { vm } });
    const parts: Bytes[] = [];
    for await (const bytes of response.body) parts.push(bytes);
    const text = fromUtf8Lossy(concat(parts));
    await cli.output.result({ console: text }, text);
    return 0;
  },
};

export const inspect: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .addHelpText('after', '\nExamples:\n  kelpie inspect dev\n  kelpie inspect dev --json | jq .machine');
  },
  run: async (cli, [vm = '']) => {
    const detail = await cli.call(routes.vmInspect, { parameters: { vm } });
    await cli.output.result(detail, JSON.stringify(detail, null, 2));
    return 0;
  },
};
