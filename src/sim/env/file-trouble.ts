/** What a disk, and whoever pulls the plug, does to those who use files. */
import type { Bytes } from '../../base/bytes.ts';
import { SystemError } from '../../env/system-error.ts';
import { volumeOf } from '../disk/paths.ts';
import type { FaultName } from '../fault-names.ts';
import type { SimProcess } from '../process.ts';

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
/** Of another machine: what it stores is checked by digests, and its refusals are told as the store's. */
const STORE = '/store/';
/** In the store and not checked by a digest: whoever reads it believes it. */
const UNCHECKED = '/store/ownership';
/** How far off a write lands. */
const MISDIRECTED_BYTES = 4096;
/** Shorter writes are not of packs, but perhaps of an ownership record before it has its name: no digest checks it. */
const PACKED_BYTES_MIN = 2048;

/** Each stretch of what is read may have a bit changed: a long read meets more of a bad disk than a short one. */
const STRETCH_BYTES = 16_384;

/** What file calls of one process meet. */
export class FileTrouble {
  readonly #process: SimProcess;

  constructor(process: SimProcess) {
    this.#process = process;
  }

  /** Does what a call does, unless that is to fail. @throws SystemError. */
  around<T>(site: string, path: string, act: () => T): T {
    this.#failBefore(site, path);
    if (!WRITING.has(site) || !this.#process.label.startsWith('kelpied')) return act();
    const { machine } = this.#process;
    if (this.#strikes('crash_before_write', site)) {
      machine.kill(this.#process);
      // Nobody hears it: the process is gone.
      throw new SystemError('EINTR', site, path);
    }
    const atRecord = isRecord(site, path) ? machine.faults.hit('crash_at_record', this.#process.label) : null;
    if (atRecord?.random.chance(0.5) === true) {
      machine.kill(this.#process);
      throw new SystemError('EINTR', site, path);
    }
    const isLast = this.#strikes('crash_after_write', site) || atRecord !== null;
    const value = act();
    if (isLast) machine.kill(this.#process);
    return value;
  }

  /** How long the call is put off. */
  delayMs(site: string): number {
    const { faults, random } = this.#process.machine;
    const strike = faults.hit('storage_latency', `${this.#process.label} ${site}`);
    if (strike !== null) return strike.random.fraction() ** 3 * SLOW_MS_MAX;
    return random.fraction() * (SYNCING.has(site) ? SYNC_MS_MAX : JITTER_MS_MAX);
  }

  /** How many bytes of a write arrive; fewer than all when it then fails. */
  partOf(length: number): number {
    const strike = this.#process.machine.faults.strike('storage_partial_write', this.#process.label);
    if (strike === null || length < 2) return length;
    strike.tookEffect();
    return strike.random.between(0, length - 1);
  }

  /** Where a write really goes. */
  placeOf(path: string, offset: number, length: number): number {
    if (!isChecked(path) || length < PACKED_BYTES_MIN) return offset;
    const { faults } = this.#process.machine;
    if (faults.hit('storage_misdirected_write', this.#process.label) === null) return offset;
    faults.damagedStore();
    return offset + MISDIRECTED_BYTES;
  }

  /** Bytes on their way from a disk. */
  corrupt(path: string, bytes: Bytes): void {
    if (!isChecked(path) || bytes.byteLength === 0) return;
    for (let start = 0; start < bytes.byteLength; start += STRETCH_BYTES) {
      const strike = this.#process.machine.faults.hit('storage_corruption', this.#process.label);
      if (strike === null) continue;
      const at = start + strike.random.below(Math.min(STRETCH_BYTES, bytes.byteLength - start));
      bytes[at] = (bytes[at] ?? 0) ^ (1 << strike.random.below(8));
    }
  }

  #failBefore(site: string, path: string): void {
    const isStore = path.startsWith(STORE);
    if (isStore && this.#process.machine.meetCut() > 0) throw new SystemError('ETIMEDOUT', site, path);
    if (WRITING.has(site)) this.#fail(isStore ? 'teleport_upload_fail' : 'storage_write_fail', site, path);
    if (READING.has(site)) this.#fail(isStore ? 'teleport_download_fail' : 'storage_read_fail', site, path);
    if (SYNCING.has(site)) this.#fail('storage_fsync_fail', site, path);
    if (isOfRecord(site, path)) this.#fail('storage_record_fail', site, path);
    const { machine } = this.#process;
    if (!ALLOCATING.has(site) || volumeOf(machine, path).capacityBytes > 0) return;
    machine.faults.tookEffect('disk_full');
    throw new SystemError('ENOSPC', site, path);
  }

  #fail(name: FaultName, site: string, path: string): void {
    if (this.#strikes(name, site)) throw new SystemError('EIO', site, path);
  }

  #strikes(name: FaultName, site: string): boolean {
    return this.#process.machine.faults.hit(name, `${this.#process.label} ${site}`) !== null;
  }
}

/** One that says who may run a VM, what is under way, what a VM is: written beside it, then renamed. What a crash makes of it lies just before and after. */
function isRecord(site: string, path: string): boolean {
  if (site === 'unlink') return path.includes('/operations/');
  return site === 'rename' && (path.startsWith(STORE) || path.endsWith('.json.new'));
}

/** On the way of a host's own record or journal entry, before it has its name or after it; or read back. */
function isOfRecord(site: string, path: string): boolean {
  if (site === 'sync') return path.endsWith('.json.new');
  if (site === 'syncDirectory') return path.endsWith('/operations') || /\/vms\/[^/]+$/.test(path);
  return site === 'readFile' && /\/(?:vm|operations\/[^/]+)\.json$/.test(path);
}

function isChecked(path: string): boolean {
  return path.startsWith(STORE) && !path.startsWith(UNCHECKED) && !path.endsWith('.json');
}
