import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet } from '../command.ts';
import { sealText, signatureText } from '../seal-text.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { shortId } from '../views.ts';
import type { MemberCommand } from '../command.ts';
import type { PackageCopied } from '../../daemon/api/package-care.ts';

export const packageCopy: MemberCommand = {
  summary: 'copy a package to another store',
  declare: (command) => {
    command
      .argument('<package>', 'its id, or a unique beginning of it')
      .option('--from <store>', STORE_HELP)
      .option('--to <store>', STORE_HELP)
      .option(
        '--decrypt',
        'also out of an encrypted store into one where whoever reads the store reads the package',
      )
      .addHelpText(
        'after',
        `
Only what the other store lacks is sent, and all that this host can open is checked on the way; the package has the same id there. Between stores with
other keys it is opened here and sealed for the other store's recipients: the same snapshot under another id, signed by this host if it signs. An empty place
becomes a store with the same keys; with --decrypt, one without. Who may run the VM does not change.

Examples:
  kelpie package copy 3f2a91 --from /mnt/team --to s3://bucket/archive`,
      );
  },
  run: async (cli, [id = ''], options) => {
    const [sourceUrl, targetUrl] = [storeOption(cli, options, 'from'), storeOption(cli, options, 'to')];
    const copied = await cli.operate(routes.packageCopy, {
      body: { package: id, sourceUrl, targetUrl, mayDecrypt: isSet(options, 'decrypt') },
    });
    const { packageId, copiedPacks, copiedBytes, presentPacks, isChecked } = copied;
    const shared = presentPacks === 0 ? '' : `; ${presentPacks} packs were there already`;
    const unchecked = isChecked ? '' : '; not checked, since this host cannot open it';
    const lines = [
      `package ${shortId(packageId)} is in ${targetUrl}: ${copiedPacks} packs, ${formatBytes(copiedBytes)} sent${shared}${unchecked}`,
      ...madeLines(copied, sourceUrl, targetUrl),
      ...resealedLines(copied),
    ];
    await cli.output.result(copied, lines.join('\n'));
    return 0;
  },
};

/** Who can read a store that was none before. */
function madeLines({ madeStore }: PackageCopied, sourceUrl: string, targetUrl: string): readonly string[] {
  if (madeStore === null) return [];
  const readers =
    madeStore === 'plain' ? 'not encrypted' : `encrypted with the keys of ${sourceUrl}, for its recipients`;
  return [`${targetUrl} is a new store, ${readers}`];
}

/** What is not as it was in the other store. */
function resealedLines({
  isResealed,
  recipientCount,
  signedBy,
  wasSignedBy,
}: PackageCopied): readonly string[] {
  if (!isResealed) return [];
  const before =
    signedBy === wasSignedBy || wasSignedBy === null ? '' : `; it was ${signatureText(wasSignedBy)}`;
  const isEncrypted = recipientCount !== null;
  return [`sealed again: ${sealText({ isEncrypted, recipientCount })}, ${signatureText(signedBy)}${before}`];
}
