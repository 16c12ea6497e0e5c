import { routes } from '../../daemon/api/routes.ts';
import { forwardsText } from '../../daemon/api/forwards.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { chunksOf } from '../../env/file-chunks.ts';
import { collect, isSet, listOption, parsePublish, textOption } from '../command.ts';
import { withHostFiles } from '../host-files.ts';
import { localPath, shortId } from '../views.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FileHandle } from '../../env/files.ts';
import type { Cli } from '../cli.ts';
import type { MemberCommand } from '../command.ts';

export const packageImport: MemberCommand = {
  summary: 'make a new VM of a file or a pipe',
  declare: (command) => {
    command
      .argument('<file>', 'PATH, or - for standard input')
      .option('--name <name>', 'for the VM (default: the name that it had)')
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

Examples:
  kelpie package import dev.klp --name copy && kelpie restore copy
  ssh laptop kelpie package export - --vm dev | kelpie package import -`,
      );
  },
  run: async (cli, [file = ''], options) => {
    const name = textOption(options, 'name');
    const publish = listOption(options, 'publish').map(parsePublish);
    const isNone = options['publish'] === false;
    const input = new AbortController();
    const bytes = file === '-' ? fromInput(cli, input.signal) : await fromFile(cli, localPath(cli.env, file));
    try {
      const imported = await cli.operate(routes.blobImport, {
        query: {
          name: name ?? undefined,
          publish: isNone || publish.length > 0 ? forwardsText(publish) : undefined,
          withoutDisk: isSet(options, 'withoutDisk'),
        },
        bytes,
      });
      const { vm, snapshot } = imported;
      await cli.output.result(
        imported,
        `${file} → ${vm.name}, a new VM with snapshot ${shortId(snapshot.id)}: kelpie restore ${vm.name}`,
      );
      return 0;
    } finally {
      // What the pipe still has to say is nobody's, and must not keep this program alive.
      input.abort();
    }
  },
};

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
