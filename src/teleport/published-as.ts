/**
 * Which package of which store a snapshot of this host came from: `package` beside it, `STORE PACKAGE` in one line. People see it as the
 * parent of the next package and nothing else needs it, so one that cannot be read is as good as none.
 */
import { fromUtf8Lossy, utf8 } from '../base/bytes.ts';
import { isSystemError } from '../env/system-error.ts';
import type { Env } from '../env/env.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';

const LINE_BYTES_MAX = 128;
const linePattern = /^(?<storeId>[0-9a-f-]{36}) (?<packageId>[0-9a-f]{64})\n$/;

/** @param directory of the snapshot, before it is complete. Not durable by itself: `LocalSnapshots.complete` syncs names. */
export async function rememberPackage(
  { files }: Pick<Env, 'files'>,
  directory: string,
  storeId: string,
  packageId: string,
): Promise<void> {
  const file = await files.open(`${directory}/package`, 'w');
  try {
    await file.write(utf8(`${storeId} ${packageId}\n`), 0);
  } finally {
    await file.close();
  }
}

/** The package of this store that the snapshot came from; null when it came from elsewhere, or was taken here. */
export async function packageOf(
  { files }: Pick<Env, 'files'>,
  { directory }: Pick<LocalSnapshot, 'directory'>,
  storeId: string,
): Promise<string | null> {
  try {
    const line = fromUtf8Lossy(await files.readFile(`${directory}/package`, LINE_BYTES_MAX));
    const groups = linePattern.exec(line)?.groups;
    return groups?.['storeId'] === storeId ? (groups['packageId'] ?? null) : null;
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'EFBIG')) return null;
    throw error;
  }
}
