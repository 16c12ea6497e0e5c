/** Files go over the API; folders go as tar, made and unpacked by the tar of either side. */
import { routes } from '../daemon/api/routes.ts';
import { KelpieError } from '../base/errors.ts';
import { chunksOf } from '../env/file-chunks.ts';
import { fromUtf8Lossy } from '../base/bytes.ts';
import { guestFileInfo, FILE_INFO_HEADER } from '../daemon/api/files.ts';
import { runPiped } from './exec-client.ts';
import { replaceFile, withHostFiles } from './host-files.ts';
import { Meter } from './meter.ts';
import type { Bytes } from '../base/bytes.ts';
import type { FileStat } from '../env/files.ts';
import type { Child } from '../env/processes.ts';
import type { GuestFileInfo } from '../guest/guest-agent.ts';
import type { PipedOutcome } from './exec-client.ts';
import type { Cli } from './cli.ts';

const STDERR_KEPT_CHARACTERS = 1000;

/** @returns how many bytes were copied. */
export async function copyFileToVm(
  cli: Cli,
  source: string,
  stat: FileStat,
  vm: string,
  path: string,
): Promise<number> {
  const daemon = await cli.daemon();
  const meter = new Meter(cli, source, stat.sizeBytes);
  const query = { path, mode: stat.mode & 0o7777, parents: true };
  const written = await daemon.upload(
    routes.fileWrite,
    { parameters: { vm }, query },
    meter.count(readChunks(cli, source)),
  );
  await meter.finish();
  return written.sizeBytes;
}

/** The target is replaced only when all has come. */
export async function copyFileFromVm(
  cli: Cli,
  vm: string,
  path: string,
  info: GuestFileInfo,
  target: string,
): Promise<number> {
  const daemon = await cli.daemon();
  const response = await daemon.download(routes.fileRead, { parameters: { vm }, query: { path } });
  const header = response.headers[FILE_INFO_HEADER];
  const told = header === undefined ? info : guestFileInfo.parse(JSON.parse(header));
  const meter = new Meter(cli, path, told.sizeBytes);
  await withHostFiles(`write ${target}`, () =>
    replaceFile(cli.env, target, told.mode & 0o777, async (handle) => {
      for await (const bytes of meter.count(response.body))
        await handle.write(bytes, meter.doneBytes - bytes.byteLength);
      if (meter.doneBytes < told.sizeBytes)
        throw new KelpieError('guest_failed', `${path} broke off after ${meter.doneBytes} bytes.`);
    }),
  );
  await meter.finish();
  return meter.doneBytes;
}

export async function copyFolderToVm(cli: Cli, source: string, vm: string, path: string): Promise<number> {
  const tar = await cli.env.processes.spawn({
    command: 'tar',
    args: ['-C', source, '-cf', '-', '.'],
    output: 'capture',
  });
  const complaint = drain(tar.stderr);
  const meter = new Meter(cli, source, null);
  const unpack = ['sh', '-c', 'mkdir -p -- "$1" && exec tar --no-same-owner -xf - -C "$1"', 'sh', path];
  const outcome = await runPiped(cli, vm, unpack, meter.count(tar.stdout), async () => Promise.resolve());
  await ended(tar, complaint, source);
  checkGuest(outcome, path);
  await meter.finish();
  return meter.doneBytes;
}

/** The guest's archive is untrusted: tar keeps to the target folder, and owners are ours. */
export async function copyFolderFromVm(cli: Cli, vm: string, path: string, target: string): Promise<number> {
  await withHostFiles(`make ${target}`, () => cli.env.files.makeDirectory(target));
  const args = ['--no-same-owner', '-xf', '-', '-C', target];
  const tar = await cli.env.processes.spawn({ command: 'tar', args, output: 'capture', stdin: 'pipe' });
  const complaint = drain(tar.stderr);
  const { stdin } = tar;
  if (stdin === null) throw new KelpieError('internal', 'tar was started without an input.');
  const meter = new Meter(cli, path, null);
  const outcome = await runPiped(cli, vm, ['tar', '-C', path, '-cf', '-', '.'], null, async (bytes) => {
    await meter.add(bytes.byteLength);
    await stdin.write(bytes);
  });
  await stdin.end();
  checkGuest(outcome, path);
  await ended(tar, complaint, target);
  await meter.finish();
  return meter.doneBytes;
}

async function* readChunks(cli: Cli, path: string): AsyncGenerator<Bytes, void> {
  yield* chunksOf(await withHostFiles(`read ${path}`, () => cli.env.files.open(path, 'r')));
}

async function drain(stream: AsyncIterable<Bytes>): Promise<string> {
  let text = '';
  for await (const bytes of stream) text = (text + fromUtf8Lossy(bytes)).slice(-STDERR_KEPT_CHARACTERS);
  return text;
}

async function ended(tar: Child, complaint: Promise<string>, what: string): Promise<void> {
  const status = await tar.wait();
  if ('code' in status && status.code === 0) return;
  throw new KelpieError(
    'io_failed',
    `tar on this host could not handle ${what}: ${firstLine(await complaint)}`,
  );
}

function checkGuest(outcome: PipedOutcome, path: string): void {
  if ('code' in outcome.exit && outcome.exit.code === 0) return;
  throw new KelpieError(
    'guest_failed',
    `tar in the VM could not handle ${path}: ${firstLine(outcome.stderr)}`,
  );
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
