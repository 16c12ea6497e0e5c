import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet } from '../command.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { sealText, shortKey } from '../seal-text.ts';
import { ageText, shortId } from '../views.ts';
import { packageCopy } from './package-copy.ts';
import { packageExport } from './package-export.ts';
import { packageGc } from './package-gc.ts';
import { packageImport } from './package-import.ts';
import { packagePrune } from './package-prune.ts';
import { packageShow } from './package-show.ts';
import { packageVerify } from './package-verify.ts';
import type { CommandGroup } from '../command.ts';
import type { MetadataView } from '../../daemon/api/metadata-view.ts';
import type { PackageView, SizesView } from '../../daemon/api/packages.ts';

export const packages: CommandGroup = {
  members: {
    ls: {
      summary: 'list the packages of a store',
      declare: (command) => {
        command
          .option('--store <store>', STORE_HELP)
          .addHelpText('after', '\nExamples:\n  kelpie package ls --store /mnt/team');
      },
      run: async (cli, _args, options) => {
        const list = await cli.call(routes.packageList, { query: { storeUrl: storeOption(cli, options) } });
        const nowMs = cli.env.clock.wallMs();
        const table = cli.output.table(
          ['PACKAGE', 'VM', 'OWN', 'SHARED', 'TOTAL', 'PUBLISHED', 'SIGNED BY', 'STATE', 'MESSAGE'],
          list.packages.map((one) => row(one, nowMs)),
        );
        const lines = list.packages.length === 0 ? 'no packages in this store' : table;
        await cli.output.result(list, `${lines}\n${sealText(list)}`);
        return 0;
      },
    },
    show: packageShow,
    rm: {
      summary: 'remove a package from a store',
      declare: (command) => {
        command
          .argument('<package>', 'its id, or a unique beginning of it')
          .option('--store <store>', STORE_HELP)
          .option('-f, --force', 'also when a VM is at rest in it: that VM is then gone for good')
          .addHelpText('after', '\nExamples:\n  kelpie package rm 3f2a91 --store /mnt/team');
      },
      run: async (cli, [id = ''], options) => {
        await cli.call(routes.packageRemove, {
          parameters: { package: id },
          query: { storeUrl: storeOption(cli, options), force: isSet(options, 'force') },
        });
        await cli.output.result(
          { removed: id },
          `package ${id} is removed; kelpie package gc frees what nobody needs any more`,
        );
        return 0;
      },
    },
    verify: packageVerify,
    gc: packageGc,
    prune: packagePrune,
    copy: packageCopy,
    export: packageExport,
    import: packageImport,
  },
};

/** What the package brought to the store, what it shares with older ones, and both: compressed. */
function sizesText(sizes: SizesView | null): readonly string[] {
  if (sizes === null) return ['?', '?', '?'];
  const { ownBytes, sharedBytes } = sizes;
  return [ownBytes, sharedBytes, ownBytes + sharedBytes].map(formatBytes);
}

/** A checkpoint is nobody's state: whoever wants makes a new VM of it. */
function stateText(kind: MetadataView['kind'], isAtRest: boolean): string {
  if (kind === 'checkpoint') return 'checkpoint';
  return isAtRest ? 'at rest' : '';
}

function row(one: PackageView, nowUnixMs: number): readonly string[] {
  if (one.damaged !== null || one.metadata === null)
    return [shortId(one.id), '?', '?', '?', '?', '?', '?', `damaged: ${one.damaged ?? 'no metadata'}`, ''];
  return [
    shortId(one.id),
    one.metadata.vmName,
    ...sizesText(one.sizes),
    one.publishedAtUnixMs === null ? '?' : ageText(one.publishedAtUnixMs, nowUnixMs),
    one.signedBy === null ? '' : shortKey(one.signedBy),
    stateText(one.metadata.kind, one.isAtRest),
    one.metadata.message,
  ];
}
