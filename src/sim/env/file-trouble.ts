/** What a disk does to those who use it. */
import { SystemError } from '../../env/system-error.ts';
import { volumeOf } from '../disk/paths.ts';
import type { Machine } from '../machine.ts';

const WRITING: ReadonlySet<string> = new Set([
  'write',
  'truncate',
  'rename',
  'link',
  'makeDirectory',
  'makeDirectoryExclusive',
  'clone',
  'unlink',
  'removeTree',
]);
const READING: ReadonlySet<string> = new Set(['read', 'readFile', 'list', 'stat']);
const SYNCING: ReadonlySet<string> = new Set(['sync', 'syncDirectory']);
/** Where a full disk says so. */
const ALLOCATING: ReadonlySet<string> = new Set([
  'write',
  'clone',
  'makeDirectory',
  'makeDirectoryExclusive',
  'link',
]);
const SLOW_MS_MAX = 20_000;
const JITTER_MS_MAX = 0.3;
const SYNC_MS_MAX = 4;

export interface FileTrouble {
  /** @throws SystemError when the call is to fail. */
  before(site: string, path: string): void;
  /** How long the call is put off. */
  delayMs(site: string): number;
}

/** Simulated programs other than the daemon see no trouble: `isFragile` says whose calls may fail. */
export function fileTrouble(machine: Machine): FileTrouble {
  const { faults, random } = machine;
  const fail = (
    name: 'storage_write_fail' | 'storage_read_fail' | 'storage_fsync_fail',
    site: string,
    path: string,
  ): void => {
    if (!faults.hits(name)) return;
    faults.tookEffect(name);
    throw new SystemError('EIO', site, path);
  };
  return {
    before: (site, path) => {
      if (WRITING.has(site)) fail('storage_write_fail', site, path);
      if (READING.has(site)) fail('storage_read_fail', site, path);
      if (SYNCING.has(site)) fail('storage_fsync_fail', site, path);
      if (!ALLOCATING.has(site) || volumeOf(machine, path).capacityBytes > 0) return;
      faults.tookEffect('disk_full');
      throw new SystemError('ENOSPC', site, path);
    },
    delayMs: (site) => {
      if (faults.hits('storage_latency')) {
        faults.tookEffect('storage_latency');
        return random.fraction() ** 3 * SLOW_MS_MAX;
      }
      return random.fraction() * (SYNCING.has(site) ? SYNC_MS_MAX : JITTER_MS_MAX);
    },
  };
}
