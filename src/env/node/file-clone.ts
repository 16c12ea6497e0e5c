/**
 * Copies that share blocks where the file system can (btrfs, XFS, APFS) and stay sparse where it cannot (ext4).
 * Node's own copy fills holes, and it has no SEEK_DATA to find them: an 8 GiB template with 4 MiB of data would take
 * seconds. So on Linux the system's `cp` does it (5 ms for the same file); on macOS Node's clonefile is enough.
 */
import { constants } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { getSystemErrorMap } from 'node:util';
import { assert } from '../../base/assert.ts';
import { KIB } from '../../base/units.ts';
import { SystemError } from '../system-error.ts';
import { childProcess } from './late-modules.ts';

/** What is kept of the tool's complaint. */
const STDERR_BYTES_MAX: number = 4 * KIB;

/** Makes `target` a copy of the file `source`, with its permissions; an older `target` keeps its open handles. */
export async function cloneFile(source: string, target: string): Promise<void> {
  assert(source !== target, 'a file is not cloned onto itself');
  if (process.platform === 'darwin') {
    await rm(target, { force: true });
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    return;
  }
  const complaint = await runCopy(source, target);
  if (complaint !== null) {
    throw new SystemError(errnoInComplaint(complaint), 'clone', `${source} to ${target}`, complaint);
  }
}

/** @returns null when it worked, else what the tool said. */
async function runCopy(source: string, target: string): Promise<string | null> {
  const options = [
    '--reflink=auto',
    '--sparse=auto',
    '--remove-destination',
    '--preserve=mode',
    '--no-target-directory',
  ];
  const child = childProcess().spawn('cp', [...options, '--', source, target], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  let complaint = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    complaint = (complaint + text).slice(0, STDERR_BYTES_MAX);
  });
  child.once('error', reject);
  child.once('close', resolve);
  return (await promise) === 0 ? null : complaint.trim();
}

/** The tool tells the system's refusal only by its words in the C locale, which are those of strerror(3). */
export function errnoInComplaint(complaint: string): string {
  const words = complaint.split('\n')[0]?.split(': ').at(-1)?.toLowerCase() ?? '';
  const known = errnoOfWords[words];
  if (known !== undefined) return known;
  for (const [name, message] of getSystemErrorMap().values()) if (message === words) return name;
  return 'EIO';
}

/** Where libuv's words, which Node knows, differ from the C library's. */
const errnoOfWords: Readonly<Record<string, string>> = {
  'disk quota exceeded': 'EDQUOT',
  'input/output error': 'EIO',
  'is a directory': 'EISDIR',
};
