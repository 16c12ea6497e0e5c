import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { formatBytes } from '../../base/units.ts';
import { copyFileFromVm, copyFileToVm, copyFolderFromVm, copyFolderToVm } from '../copy.ts';
import { localPath } from '../views.ts';
import type { Cli } from '../cli.ts';
import type { LeafCommand } from '../command.ts';
import type { GuestFileInfo } from '../../guest/guest-agent.ts';

type Place =
  | { readonly kind: 'host'; readonly path: string }
  | { readonly kind: 'vm'; readonly vm: string; readonly path: string };

export const cp: LeafCommand = {
  declare: (command) => {
    command
      .argument('<source>', 'PATH or VM:PATH')
      .argument('<target>', 'PATH or VM:PATH; a folder that exists takes the copy into it')
      .addHelpText(
        'after',
        '\nFolders are copied whole. A file appears under its name only when it is complete.\n\nExamples:\n  kelpie cp model.bin dev:/root/\n  kelpie cp dev:/root/results ./results',
      );
  },
  run: async (cli, [from = '', to = '']) => {
    const source = parsePlace(cli, from);
    const target = parsePlace(cli, to);
    if (source.kind === target.kind) {
      throw new KelpieError('usage', 'one side must be in a VM (VM:/absolute/path), the other on this host.');
    }
    const copied =
      source.kind === 'host'
        ? await intoVm(cli, source.path, asVm(target))
        : await outOfVm(cli, source, target.path);
    await cli.output.result(
      { copiedBytes: copied, source: from, target: to },
      `${from} → ${to} (${formatBytes(copied)})`,
    );
    return 0;
  },
};

function asVm(place: Place): Extract<Place, { kind: 'vm' }> {
  if (place.kind !== 'vm') throw new KelpieError('usage', 'the target must be in a VM.');
  return place;
}

/** `VM:PATH` when what is before the first colon could be a VM and no slash comes before it. */
function parsePlace(cli: Cli, text: string): Place {
  const match = /^([a-z0-9][a-z0-9-]*):(.*)$/.exec(text);
  if (match === null) return { kind: 'host', path: localPath(cli.env, text) };
  const [, vm = '', path = ''] = match;
  if (!path.startsWith('/'))
    throw new KelpieError('usage', `a path in a VM begins with /, like ${vm}:/root/${path}.`);
  return { kind: 'vm', vm, path };
}

async function intoVm(cli: Cli, source: string, target: Extract<Place, { kind: 'vm' }>): Promise<number> {
  const stat = await statHost(cli, source);
  const path =
    target.path.endsWith('/') || (await guestStat(cli, target.vm, target.path))?.type === 'directory'
      ? join(target.path, source)
      : target.path;
  return stat.kind === 'directory'
    ? copyFolderToVm(cli, source, target.vm, path)
    : copyFileToVm(cli, source, stat, target.vm, path);
}

async function outOfVm(cli: Cli, source: Extract<Place, { kind: 'vm' }>, target: string): Promise<number> {
  const info = await guestStat(cli, source.vm, source.path);
  if (info === null) throw new KelpieError('file_not_found', `there is no ${source.path} in "${source.vm}".`);
  const isIntoFolder = target.endsWith('/') || (await isHostFolder(cli, target));
  const path = isIntoFolder ? join(target, source.path) : target;
  return info.type === 'directory'
    ? copyFolderFromVm(cli, source.vm, source.path, path)
    : copyFileFromVm(cli, source.vm, source.path, info, path);
}

function join(folder: string, path: string): string {
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return `${folder.replace(/\/+$/, '')}/${name}`;
}

async function guestStat(cli: Cli, vm: string, path: string): Promise<GuestFileInfo | null> {
  try {
    return await cli.call(routes.fileStat, { parameters: { vm }, query: { path } });
  } catch (error) {
    if (error instanceof KelpieError && error.code === 'file_not_found') return null;
    throw error;
  }
}

async function statHost(cli: Cli, path: string): ReturnType<Cli['env']['files']['stat']> {
  try {
    return await cli.env.files.stat(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR'))
      throw new KelpieError('file_not_found', `there is no ${path} on this host.`, { cause: error });
    throw error;
  }
}

async function isHostFolder(cli: Cli, path: string): Promise<boolean> {
  try {
    return (await cli.env.files.stat(path)).kind === 'directory';
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
