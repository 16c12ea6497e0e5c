import { routes } from '../../daemon/api/routes.ts';
import { errorCodes } from '../../base/error-codes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet } from '../command.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { shortId } from '../views.ts';
import type { MemberCommand } from '../command.ts';
import type { PackageVerified } from '../../daemon/api/package-care.ts';

export const packageVerify: MemberCommand = {
  summary: 'read and check the packages of a store',
  declare: (command) => {
    command
      .argument('[packages...]', 'their ids, or unique beginnings of them (default: all of the store)')
      .option('--store <store>', STORE_HELP)
      .option('--quick', 'that nothing is missing or cut, not what is in it')
      .addHelpText(
        'after',
        `
Every byte is read, checked against its digest, opened and decompressed; what packages share is read once. Exits with
${errorCodes.package_corrupt.exit} when a package is damaged. \`package copy\` from a store that has it whole mends what is missing.

Examples:
  kelpie package verify --store s3://bucket/team
  kelpie package verify 3f2a91 --quick --store /mnt/team`,
      );
  },
  run: async (cli, packages, options) => {
    const verified = await cli.operate(routes.packageVerify, {
      body: { storeUrl: storeOption(cli, options), packages, isQuick: isSet(options, 'quick') },
    });
    await cli.output.result(verified, report(verified));
    const isWhole = verified.packages.every(({ problems }) => problems.length === 0);
    return isWhole ? 0 : errorCodes.package_corrupt.exit;
  },
};

function report({ packages }: PackageVerified): string {
  if (packages.length === 0) return 'no packages in this store';
  const lines = packages.flatMap(({ id, problems, checkedBytes }) => {
    if (problems.length > 0)
      return [`${shortId(id)}   damaged`, ...problems.map((problem) => `  ${problem}`)];
    return [`${shortId(id)}   whole${checkedBytes === 0 ? '' : `, ${formatBytes(checkedBytes)} checked`}`];
  });
  const damaged = packages.filter(({ problems }) => problems.length > 0).length;
  const summary = damaged === 0 ? 'all whole' : `${damaged} damaged`;
  return [...lines, `${packages.length} ${packages.length === 1 ? 'package' : 'packages'}: ${summary}`].join(
    '\n',
  );
}
