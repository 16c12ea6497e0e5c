import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { KelpieError } from '../../base/errors.ts';
import { textOption } from '../command.ts';
import { sealText, signatureText } from '../seal-text.ts';
import { absolutePath, shortId, timingLine } from '../views.ts';
import type { LeafCommand } from '../command.ts';

export const teleport: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option(
        '--to <store>',
        'where to publish it: a directory that the other host sees too, or s3://bucket/prefix',
      )
      .option('-m, --message <text>', 'what for')
      .option('--no-image', 'leave the base image out: the other host must have it')
      .addHelpText(
        'after',
        '\nThe VM is paused, published, and then this host can never run this copy again; until the moment that\nit is published, any failure or Ctrl-C lets it go on here.\n\nExamples:\n  kelpie teleport dev --to /mnt/team\n  kelpie teleport dev --to s3://bucket/team',
      );
  },
  run: async (cli, [vm = ''], options) => {
    const to = textOption(options, 'to');
    if (to === null)
      throw new KelpieError(
        'usage',
        'say where to with --to STORE: a directory that the other host sees too, or s3://bucket/prefix.',
      );
    const storeUrl = absolutePath(cli.env, to);
    const done = await cli.operate(routes.teleport, {
      parameters: { vm },
      body: {
        storeUrl,
        message: textOption(options, 'message') ?? '',
        includeImage: options['image'] !== false,
      },
    });
    const { memory, disk, sent } = done.bytes;
    const moved = `${formatBytes(memory + disk)} by sending ${formatBytes(sent)}`;
    await cli.output.result(
      done,
      `${done.vmName} is at rest in ${done.storeUrl} as package ${shortId(done.packageId)} (${moved}; ${timingLine(done.timings)}; ${sealText(done)}, ${signatureText(done.signedBy)})\n` +
        `on another host: kelpie restore ${done.vmName} --from ${done.storeUrl}`,
    );
    return 0;
  },
};
