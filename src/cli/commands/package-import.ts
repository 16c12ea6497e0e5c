import { routes } from '../../daemon/api/routes.ts';
import { forwardsText } from '../../daemon/api/forwards.ts';
import { KelpieError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { isSystemError } from '../../env/system-error.ts';
import { chunksOf } from '../../env/file-chunks.ts';
import { collect, isSet, listOption, parsePublish, textOption } from '../command.ts';
import { withHostFiles } from '../host-files.ts';
import { sealText, signatureText } from '../seal-text.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { localPath, shortId } from '../views.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FileHandle } from '../../env/files.ts';
import type { Cli } from '../cli.ts';
import type { CallOptions } from '../daemon-client.ts';
import type { MemberCommand } from '../command.ts';

export const packageImport: MemberCommand = {
  summary: 'make a new VM of a file or a pipe, here or in a store',
  declare: (command) => {
    command
      .argument('<file>', 'PATH, or - for standard input')
      .option('--name <name>', 'for the VM (default: the name that it had)')
      .option('--store <store>', `straight into a store, not to this host: ${STORE_HELP}`)
      .option(
        '-p, --publish <host:guest>',
        'port forwards in place of those that it had; may be repeated',
        collect,
        [],
      )
      .option('--no-publish', 'no port forwards')
      .option('--without-disk', 'take a package of version 1, which has no disk: the VM gets an empty one')
      .addHelpText(
        'after',
        `
The VM is a new one with one snapshot; it does not run yet. The VM that the package is of is not touched, wherever it is. All of the
package is checked before there is a VM. This host must have the VM's image.

With --store it becomes a package there, in which the new VM is at rest: for any host to restore. Nothing of it is kept on this host, which need
not be able to run it; if it has the VM's image, the package carries that too.

Examples:
  kelpie package import dev.klp --name copy && kelpie restore copy
  ssh laptop kelpie package export - --vm dev | kelpie package import -
  kelpie package import dev.klp --store s3://bucket/team && kelpie restore dev --from s3://bucket/team`,
      );
  },
  run: async (cli, [file = ''], options) => {
    const name = textOption(options, 'name');
    const publish = listOption(options, 'publish').map(parsePublish);
    const isNone = options['publish'] === false;
    const storeUrl = textOption(options, 'store') === null ? null : storeOption(cli, options);
    const input = new AbortController();
    const bytes = file === '-' ? fromInput(cli, input.signal) : await fromFile(cli, localPath(cli.env, file));
    const query = {
      name: name ?? undefined,
      publish: isNone || publish.length > 0 ? forwardsText(publish) : undefined,
      withoutDisk: isSet(options, 'withoutDisk'),
    };
    try {
      if (storeUrl === null) await importHere(cli, file, { query, bytes });
      else await importToStore(cli, file, { query: { ...query, storeUrl }, bytes });
      return 0;
    } finally {
      // What the pipe still has to say is nobody's, and must not keep this program alive.
      input.abort();
    }
  },
};

async function importHere(cli: Cli, file: string, call: CallOptions<undefined>): Promise<void> {
  const imported = await cli.operate(routes.blobImport, call);
  const { vm, snapshot } = imported;
  const text = `${file} → ${vm.name}, a new VM with snapshot ${shortId(snapshot.id)}: kelpie restore ${vm.name}`;
  await cli.output.result(imported, text);
}

async function importToStore(cli: Cli, file: string, call: CallOptions<undefined>): Promise<void> {
  const made = await cli.operate(routes.blobDeposit, call);
  const { packageId, vmName, storeUrl, sentBytes, signedBy } = made;
  const lines = [
    `${file} → package ${shortId(packageId)}, in which ${vmName}, a new VM, is at rest: kelpie restore ${vmName} --from ${storeUrl}`,
    `${formatBytes(sentBytes)} sent, ${sealText(made)}, ${signatureText(signedBy)}${made.carriesImage ? '' : ', without the VM’s image'}`,
  ];
  await cli.output.result(made, lines.join('\n'));
}

function fromInput(cli: Cli, signal: AbortSignal): AsyncIterable<Bytes> {
  if (cli.terminal.isInputTty)
    throw new KelpieError('usage', 'a terminal cannot give a package: give a file, or pipe one in.');
  return cli.terminal.readInput(signal);
}

async function fromFile(cli: Cli, path: string): Promise<AsyncIterable<Bytes>> {
  return withHostFiles(`read ${path}`, async () => chunksOf(await openFile(cli, path)));
}

async function openFile(cli: Cli, path: string): Promise<FileHandle> {
  try {
    const { kind } = await cli.env.files.stat(path);
    if (kind === 'file') return await cli.env.files.open(path, 'r');
  } catch (error) {
    if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new KelpieError('file_not_found', `there is no ${path} on this host.`, { cause: error });
  }
  throw new KelpieError('invalid_argument', `${path} is not a file: give one, or - and a pipe.`);
}
