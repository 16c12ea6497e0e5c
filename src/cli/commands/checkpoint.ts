import { routes } from '../../daemon/api/routes.ts';
import { formatBytes } from '../../base/units.ts';
import { KelpieError } from '../../base/errors.ts';
import { collect, listOption, parseDurationMs, textOption } from '../command.ts';
import { signatureText } from '../seal-text.ts';
import { absolutePath, shortId, timingLine } from '../views.ts';
import type { LeafCommand, Options } from '../command.ts';
import type { AskedApplication, CheckpointCreated } from '../../daemon/api/checkpoints.ts';

const APPLICATION_DEFAULT = 'application';

export const checkpoint: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('--store <store>', 'publish it too: a directory, or s3://bucket/prefix')
      .option('-m, --message <text>', 'what it is for')
      .option('--path <path>', 'a folder or file of the workspace; may be repeated', collect, [])
      .option('--save <command>', 'shell command that writes the state to its standard output')
      .option('--reload <command>', 'shell command that reads it, and leaves the application running')
      .option('--user <user>', 'as whom both commands run (default: root)')
      .option('--timeout <time>', 'for each command, like 30s (default: 1m)')
      .addHelpText(
        'after',
        `
The VM goes on. What its applications are is in the VM, in /etc/kelpie/checkpoint.d/*.json; with --path, --save or --reload it is what is said here.
A checkpoint is a copy: restored, it is a new VM, freshly booted, of any architecture.

Examples:
  kelpie checkpoint dev --store s3://bucket/team
  kelpie checkpoint dev --path /srv/agent --save 'agent save' --reload 'agent load'
  kelpie restore --from s3://bucket/team --package ID --name again --arch arm64`,
      );
  },
  run: async (cli, [vm = ''], options) => {
    const store = textOption(options, 'store');
    const application = askedApplication(options);
    const created = await cli.operate(routes.checkpointCreate, {
      parameters: { vm },
      body: {
        message: textOption(options, 'message') ?? '',
        ...(store === null ? {} : { storeUrl: absolutePath(cli.env, store) }),
        ...(application === null ? {} : { application }),
      },
    });
    await cli.output.result(created, describe(vm, created));
    return 0;
  },
};

/** Null when the guest shall say it. */
function askedApplication(options: Options): AskedApplication | null {
  const workspace = listOption(options, 'path');
  const save = textOption(options, 'save');
  const reload = textOption(options, 'reload');
  const user = textOption(options, 'user');
  const timeout = textOption(options, 'timeout');
  if (workspace.length === 0 && save === null && reload === null) {
    if (user === null && timeout === null) return null;
    throw new KelpieError('usage', '--user and --timeout need --path, --save or --reload.');
  }
  return {
    name: APPLICATION_DEFAULT,
    workspace,
    save: save === null ? null : shell(save),
    reload: reload === null ? null : shell(reload),
    user,
    ...(timeout === null ? {} : { timeoutMs: parseDurationMs(timeout, '--timeout') }),
  };
}

function shell(command: string): readonly string[] {
  return ['sh', '-c', command];
}

function describe(vm: string, created: CheckpointCreated): string {
  return publishedLines(vm, created, 'elsewhere').join('\n');
}

/** What was taken, and how it is restored. @param where that is. */
export function publishedLines(vm: string, created: CheckpointCreated, where: string): readonly string[] {
  const { snapshot, applications, entryCount, contentBytes, newBytes, published } = created;
  const held = `${applications.join(', ')}: ${entryCount} files, ${formatBytes(contentBytes)}, ${formatBytes(newBytes)} of it new`;
  const first = `checkpoint ${shortId(snapshot.id)} of ${vm} (${held}; ${timingLine(created.timings)})`;
  if (published === null)
    return [first, `again: kelpie restore ${vm} --snapshot ${shortId(snapshot.id)} --name NAME`];
  const sealed = published.isEncrypted ? 'encrypted' : 'not encrypted';
  return [
    first,
    `package ${shortId(published.packageId)} in ${published.storeUrl} by sending ${formatBytes(published.sentBytes)} (${sealed}, ${signatureText(published.signedBy)})`,
    `${where}: kelpie restore --from ${published.storeUrl} --package ${published.packageId} --name NAME`,
  ];
}
