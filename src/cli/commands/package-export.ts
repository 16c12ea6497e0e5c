import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet, textOption } from '../command.ts';
import { replaceFile, withHostFiles } from '../host-files.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { localPath, shortId } from '../views.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { BlobDownload } from '../../daemon/api/blob-frames.ts';
import type { BlobForm, BlobOpened } from '../../daemon/api/blobs.ts';
import type { Cli } from '../cli.ts';
import type { MemberCommand, Options } from '../command.ts';

/** What a VM has in memory is its owner's alone. */
const FILE_MODE = 0o600;

export const packageExport: MemberCommand = {
  summary: 'write a snapshot or a package to a file or a pipe',
  declare: (command) => {
    command
      .argument('<file>', 'PATH, or - for standard output')
      .option('--vm <vm[/snapshot]>', 'a VM of this host, and which of its snapshots (default: the last)')
      .option('--store <store>', `with --package: ${STORE_HELP}`)
      .option('--package <package>', 'a package of the store: its id, or a unique beginning of it')
      .option('--version <version>', 'of the format: 2, or 1 for programs that know no other', '2')
      .option('--no-compress', 'version 2: store memory and disk as they are')
      .option('--without-disk', 'needed with --version 1, which has no disk: what is on the disk is left out')
      .addHelpText(
        'after',
        `
Memory, disk and device state of one snapshot, in one piece. The VM's image is not in it. The file appears when it is whole;
the VM may run on meanwhile. What is imported from it is another VM. A package goes straight from its store to the file, checked on
the way: nothing is kept on this host, and who may run its VM does not change. The file is not encrypted, whatever the store is.

Examples:
  kelpie package export dev.klp --vm dev
  kelpie package export - --vm dev/3f2a91 | ssh cloud kelpie package import -
  kelpie package export dev.klp --store s3://bucket/team --package 3f2a91`,
      );
  },
  run: async (cli, [file = ''], options) => {
    const asked = await parseExport(cli, file, options);
    return cli.interruptible('interrupted; nothing was written.', async (signal) => {
      const download = await begin(cli, asked, signal);
      const sizeBytes = await (asked.path === null
        ? toOutput(cli, download)
        : toFile(cli, download, asked.path));
      const { opened } = download;
      const text = `${opened.vmName} (${originText(opened)}) → ${file} (${formatBytes(sizeBytes)})`;
      if (asked.path === null) await cli.output.notice(text);
      else await cli.output.result({ ...opened, sizeBytes, file: asked.path }, text);
      return 0;
    });
  },
};

/** What is exported. */
type Origin =
  | { readonly kind: 'snapshot'; readonly vm: string; readonly snapshot: string | undefined }
  | { readonly kind: 'package'; readonly storeUrl: string; readonly package: string };

interface Asked {
  readonly origin: Origin;
  readonly form: BlobForm;
  /** Null: standard output. */
  readonly path: string | null;
}

async function begin(cli: Cli, { origin, form }: Asked, signal: AbortSignal): Promise<BlobDownload> {
  const daemon = await cli.daemon();
  if (origin.kind === 'package') {
    const query = { ...form, storeUrl: origin.storeUrl };
    const parameters = { package: origin.package };
    return await daemon.export(routes.packageExport, { parameters, query, signal });
  }
  const query = { ...form, snapshot: origin.snapshot };
  return await daemon.export(routes.blobExport, { parameters: { vm: origin.vm }, query, signal });
}

function originText({ packageId, snapshotId }: BlobOpened): string {
  return packageId === null ? `snapshot ${shortId(snapshotId)}` : `package ${shortId(packageId)}`;
}

async function parseExport(cli: Cli, file: string, options: Options): Promise<Asked> {
  const [origin, form] = [parseOrigin(cli, options), parseForm(options)];
  if (file !== '-') return { origin, form, path: await writablePath(cli, localPath(cli.env, file)) };
  if (cli.terminal.isOutputTty)
    throw new KelpieError('usage', 'a terminal cannot take a package: give a file, or pipe it somewhere.');
  if (cli.output.isJson)
    throw new KelpieError('usage', '--json needs standard output, where the package would go: give a file.');
  return { origin, form, path: null };
}

function parseOrigin(cli: Cli, options: Options): Origin {
  const [named, id] = [textOption(options, 'vm'), textOption(options, 'package')];
  if ((named === null) === (id === null))
    throw new KelpieError('usage', 'say what to export: --vm VM[/SNAPSHOT], or --store STORE --package ID.');
  if (id !== null) {
    if (id === '') throw new KelpieError('usage', '--package must be an id, or a beginning of one.');
    return { kind: 'package', storeUrl: storeOption(cli, options), package: id };
  }
  if (textOption(options, 'store') !== null)
    throw new KelpieError('usage', '--store is for --package; a snapshot of --vm is on this host.');
  const [vm = '', snapshot, ...more] = (named ?? '').split('/');
  if (vm === '' || snapshot === '' || more.length > 0)
    throw new KelpieError('usage', '--vm must be VM or VM/SNAPSHOT, like dev or dev/3f2a91.');
  return { kind: 'snapshot', vm, snapshot };
}

function parseForm(options: Options): BlobForm {
  const form = {
    version: parseVersion(textOption(options, 'version') ?? ''),
    compress: options['compress'] !== false,
    withoutDisk: isSet(options, 'withoutDisk'),
  };
  if (form.version === 1 && !form.withoutDisk) {
    throw new KelpieError(
      'usage',
      'version 1 has no disk: use version 2, or give --without-disk and lose what is on the VM’s disk.',
    );
  }
  if (form.version === 2 && form.withoutDisk)
    throw new KelpieError('usage', '--without-disk is for --version 1; version 2 carries the disk.');
  return form;
}

function parseVersion(text: string): 1 | 2 {
  if (text === '1') return 1;
  if (text === '2') return 2;
  throw new KelpieError('usage', `--version must be 1 or 2, not "${text}".`);
}

/** A device or a pipe must not be replaced by a file. */
async function writablePath(cli: Cli, path: string): Promise<string> {
  const kind = await withHostFiles(`write ${path}`, async () => {
    try {
      return (await cli.env.files.stat(path)).kind;
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return 'file';
      throw error;
    }
  });
  if (kind === 'file') return path;
  const what = kind === 'directory' ? 'a folder' : 'not a file';
  throw new KelpieError('invalid_argument', `${path} is ${what}: give a file, or - and a pipe.`);
}

async function toFile(cli: Cli, download: BlobDownload, path: string): Promise<number> {
  let sizeBytes = 0;
  await withHostFiles(`write ${path}`, () =>
    replaceFile(cli.env, path, FILE_MODE, async (handle) => {
      for await (const bytes of shown(cli, download, path)) {
        await handle.write(bytes, sizeBytes);
        sizeBytes += bytes.byteLength;
      }
    }),
  );
  return sizeBytes;
}

async function toOutput(cli: Cli, download: BlobDownload): Promise<number> {
  let sizeBytes = 0;
  for await (const bytes of shown(cli, download, download.opened.vmName)) {
    await cli.terminal.writeOutput(bytes);
    sizeBytes += bytes.byteLength;
  }
  return sizeBytes;
}

/** The bytes, with their progress shown. */
async function* shown(cli: Cli, { opened, parts }: BlobDownload, path: string): AsyncGenerator<Bytes, void> {
  const progress = cli.progress();
  const item = path.split('/').at(-1) ?? path;
  try {
    for await (const part of parts) {
      if (part.kind === 'bytes') yield part.bytes;
      else
        await progress.show({
          phase: 'export',
          item,
          doneBytes: part.doneBytes,
          totalBytes: opened.payloadBytes,
        });
    }
  } finally {
    await progress.finish();
  }
}
