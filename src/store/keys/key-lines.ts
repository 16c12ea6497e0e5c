/** Small text files with keys, one a line. Lines that are empty or begin with `#` mean nothing. */
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { createSynced, parentDirectory } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { attemptLocally, localFailure } from '../../snapshot/local-failure.ts';
import { KEY_FILE_BYTES_MAX } from './limits.ts';

type FilesEnv = Pick<Env, 'files'>;

/** Permission bits that let others read or write. */
const OTHERS = 0o077;

/** Makes a file for its owner's eyes only, whole or not at all. @throws KelpieError `name_taken`, `disk_full`, `permission_denied`, `io_failed`. */
export async function createKeyFile({ files }: FilesEnv, path: string, text: string): Promise<void> {
  const directory = parentDirectory(path);
  const beside = `${path}.new`;
  try {
    await files.makeDirectory(directory);
    await files.removeTree(beside);
    await createSynced(files, beside, utf8(text));
    await files.link(beside, path);
    await files.unlink(beside);
    await files.syncDirectory(directory);
    await files.syncDirectory(parentDirectory(directory));
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) throw localFailure(error, `make ${path}`);
    await files.removeTree(beside);
    throw new KelpieError('name_taken', `${path} is there already: nothing was changed.`, { cause: error });
  }
}

export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** As `readLines`, of a file that nobody else may read. */
export async function readPrivateLines(env: FilesEnv, path: string): Promise<readonly Line[] | null> {
  const lines = await readLines(env, path);
  if (lines === null) return null;
  const { mode } = await attemptLocally(`read ${path}`, () => env.files.stat(path));
  if ((mode & OTHERS) === 0) return lines;
  const message = `${path} holds private keys, and others may read or change it: run \`chmod 600 ${path}\`, and think of who may have read it.`;
  throw new KelpieError('permission_denied', message);
}

/** The lines that mean something; null when there is no file. */
export async function readLines(env: FilesEnv, path: string): Promise<readonly Line[] | null> {
  const whole = await readText(env, path);
  if (whole === null) return null;
  return whole
    .split('\n')
    .map((line, index) => ({ number: index + 1, text: line.trim() }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
}

/** All of it; null when there is no file. @throws KelpieError `invalid_argument` when it is too long or no text, `io_failed`. */
export async function readText({ files }: FilesEnv, path: string): Promise<string | null> {
  const bytes = await readIfThere(files, path);
  return bytes === null ? null : textOf(bytes, path);
}

async function readIfThere(files: Env['files'], path: string): Promise<Bytes | null> {
  try {
    return await files.readFile(path, KEY_FILE_BYTES_MAX);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    if (isSystemError(error, 'EFBIG'))
      throw refusedFile(path, `it is longer than ${KEY_FILE_BYTES_MAX} bytes`, error);
    throw localFailure(error, `read ${path}`);
  }
}

function textOf(bytes: Bytes, path: string): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    throw refusedFile(path, 'it is not text', error);
  }
}

/** A file that is there but is not what it should be. */
export function refusedFile(path: string, reason: string, cause?: unknown): KelpieError {
  return new KelpieError('invalid_argument', `${path} cannot be used: ${reason}.`, { cause });
}
