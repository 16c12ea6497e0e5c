import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet, textOption } from '../command.ts';
import { absolutePath, ageText, shortId } from '../views.ts';
import { packageExport } from './package-export.ts';
import { packageImport } from './package-import.ts';
import type { Cli } from '../cli.ts';
import type { CommandGroup, Options } from '../command.ts';
import type { PackageView } from '../../daemon/api/packages.ts';

export const packages: CommandGroup = {
  members: {
    ls: {
      summary: 'list the packages of a store',
      declare: (command) => {
        command
          .option('--store <store>', 'a directory')
          .addHelpText('after', '\nExamples:\n  kelpie package ls --store /mnt/team');
      },
      run: async (cli, _args, options) => {
        const list = await cli.call(routes.packageList, { query: { storeUrl: storeOf(cli, options) } });
        const nowMs = cli.env.clock.wallMs();
        const table = cli.output.table(
          ['PACKAGE', 'VM', 'SIZE', 'PUBLISHED', 'STATE', 'MESSAGE'],
          list.packages.map((one) => row(one, nowMs)),
        );
        await cli.output.result(list, list.packages.length === 0 ? 'no packages in this store' : table);
        return 0;
      },
    },
    show: {
      summary: 'one package: where it runs, what it is made of, who may run it',
      declare: (command) => {
        command
          .argument('<package>', 'its id, or a unique beginning of it')
          .option('--store <store>', 'a directory')
          .addHelpText('after', '\nExamples:\n  kelpie package show 3f2a91 --store /mnt/team');
      },
      run: async (cli, [id = ''], options) => {
        const storeUrl = storeOf(cli, options);
        const detail = await cli.call(routes.packageInspect, {
          parameters: { package: id },
          query: { storeUrl },
        });
        await cli.output.result(detail, JSON.stringify(detail, null, 2));
        return 0;
      },
    },
    rm: {
      summary: 'remove a package from a store',
      declare: (command) => {
        command
          .argument('<package>', 'its id, or a unique beginning of it')
          .option('--store <store>', 'a directory')
          .option('-f, --force', 'also when a VM is at rest in it: that VM is then gone for good')
          .addHelpText('after', '\nExamples:\n  kelpie package rm 3f2a91 --store /mnt/team');
      },
      run: async (cli, [id = ''], options) => {
        await cli.call(routes.packageRemove, {
          parameters: { package: id },
          query: { storeUrl: storeOf(cli, options), force: isSet(options, 'force') },
        });
        await cli.output.result({ removed: id }, `package ${id} is removed`);
        return 0;
      },
    },
    export: packageExport,
    import: packageImport,
  },
};

function storeOf(cli: Cli, options: Options): string {
  const store = textOption(options, 'store');
  if (store === null) throw new KelpieError('usage', 'say which store with --store DIRECTORY.');
  return absolutePath(cli.env, store);
}

function row(one: PackageView, nowUnixMs: number): readonly string[] {
  if (one.damaged !== null || one.metadata === null)
    return [shortId(one.id), '?', '?', '?', `damaged: ${one.damaged ?? 'no metadata'}`, ''];
  return [
    shortId(one.id),
    one.metadata.vmName,
    one.sizeBytes === null ? '?' : formatBytes(one.sizeBytes),
    one.publishedAtUnixMs === null ? '?' : ageText(one.publishedAtUnixMs, nowUnixMs),
    one.isAtRest ? 'at rest' : '',
    one.metadata.message,
  ];
}
