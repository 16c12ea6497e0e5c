import { formatBytes } from '../../base/units.ts';
import { KelpieError } from '../../base/errors.ts';
import { checkedOption, isSet, textOption } from '../command.ts';
import { sealText, signatureText } from '../seal-text.ts';
import { teleportOrAsk } from '../teleport-or-ask.ts';
import { absolutePath, shortId, timingLine } from '../views.ts';
import { publishedLines } from './checkpoint.ts';
import type { LeafCommand } from '../command.ts';
import type { CheckpointTeleported, MemoryTeleported } from '../../daemon/api/teleports.ts';

export const teleport: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option(
        '--to <store>',
        'where to publish it: a directory that the other host sees too, or s3://bucket/prefix',
      )
      .option(
        '--for <host>',
        'only when it can go on on this host, by its name or id: one that kelpie store hosts lists',
      )
      .option(
        '--allow-checkpoint',
        'with --for: when its running memory cannot go on there, publish a checkpoint in its place; the VM stays',
      )
      .option('-m, --message <text>', 'what for')
      .option('--no-image', 'leave the base image out: the other host must have it')
      .addHelpText(
        'after',
        `
The VM is paused, published, and then this host can never run this copy again; until the moment that
it is published, any failure or Ctrl-C lets it go on here.

With --for it is checked first, before anything is paused or sent, whether that host can run it: yes, or every reason why not with what
would work instead (exit status 69). On a terminal you are asked then whether a checkpoint will do.

Examples:
  kelpie teleport dev --to /mnt/team
  kelpie teleport dev --to s3://bucket/team
  kelpie teleport dev --to s3://bucket/team --for cloud --allow-checkpoint`,
      );
  },
  run: async (cli, [vm = ''], options) => {
    const to = textOption(options, 'to');
    if (to === null)
      throw new KelpieError(
        'usage',
        'say where to with --to STORE: a directory that the other host sees too, or s3://bucket/prefix.',
      );
    const forHost = await checkedOption(options, 'for', 'hostReference');
    const allowCheckpoint = isSet(options, 'allowCheckpoint');
    if (allowCheckpoint && forHost === null)
      throw new KelpieError(
        'usage',
        '--allow-checkpoint needs --for HOST; kelpie checkpoint takes one for any.',
      );
    const body = {
      storeUrl: absolutePath(cli.env, to),
      message: textOption(options, 'message') ?? '',
      includeImage: options['image'] !== false,
      ...(forHost === null ? {} : { forHost, allowCheckpoint }),
    };
    const done = await teleportOrAsk(cli, vm, body);
    await cli.output.result(done, done.kind === 'memory' ? memoryText(done) : checkpointText(done));
    return 0;
  },
};

function memoryText(done: MemoryTeleported): string {
  const { memory, disk, sent } = done.bytes;
  const moved = `${formatBytes(memory + disk)} by sending ${formatBytes(sent)}`;
  return (
    `${done.vmName} is at rest in ${done.storeUrl} as package ${shortId(done.packageId)} (${moved}; ${timingLine(done.timings)}; ${sealText(done)}, ${signatureText(done.signedBy)})\n` +
    `on ${done.forHost?.name ?? 'another host'}: kelpie restore ${done.vmName} --from ${done.storeUrl}`
  );
}

/** What became of it, why, and what there is to do. */
function checkpointText({ vmName, forHost, reasons, lacks, checkpoint }: CheckpointTeleported): string {
  return [
    `${vmName} goes on here: its running memory cannot go on on ${forHost.name}`,
    ...reasons.map((reason) => `  ${reason}`),
    ...publishedLines(vmName, checkpoint, `on ${forHost.name}`),
    ...lacks.map((lack) => `  before that: ${lack}`),
    `when the new VM answers there: kelpie rm ${vmName}`,
  ].join('\n');
}
