/** What the system knows of processes: their start, state and command line. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { defined } from '../../base/assert.ts';
import { isSystemError } from '../system-error.ts';
import { childProcess } from './late-modules.ts';
import { toSystemError } from './system-errors.ts';
import type { ProcessIdentity } from '../processes.ts';

export interface ProcessEntry {
  readonly identity: ProcessIdentity;
  readonly args: readonly string[];
}

export interface ProcessTable {
  /** The identity of a process; null when there is none. A zombie has one still. */
  identify(pid: number): ProcessIdentity | null;
  /** True while that very process runs: not a zombie, not another with its number. */
  isRunning(identity: ProcessIdentity): boolean;
  /** This user's processes. */
  list(): readonly ProcessEntry[];
}

/** The result, or null when the process went away meanwhile. */
function unlessGone<T>(pid: number, read: () => T): T | null {
  try {
    return read();
  } catch (thrown) {
    const error = toSystemError(thrown, 'inspect', `process ${pid}`);
    if (isSystemError(error, 'ENOENT', 'ESRCH')) return null;
    throw error;
  }
}

/** Fields of /proc/PID/stat by their number in proc(5), from 3 on: field 2 may hold spaces and brackets. */
function statFields(pid: number): readonly string[] | null {
  return unlessGone(pid, () => {
    const line = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return line.slice(line.lastIndexOf(')') + 2).split(' ');
  });
}

const STATE_FIELD: number = 3 - 3;
const START_TIME_FIELD: number = 22 - 3;

class LinuxProcessTable implements ProcessTable {
  // Start times count from boot: the boot's id keeps one from meaning another process after a reboot.
  private readonly bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

  identify(pid: number): ProcessIdentity | null {
    const fields = statFields(pid);
    return fields === null ? null : this.identityOf(pid, fields);
  }

  isRunning(identity: ProcessIdentity): boolean {
    const fields = statFields(identity.pid);
    if (fields === null || this.identityOf(identity.pid, fields).startedAt !== identity.startedAt) {
      return false;
    }
    return !['Z', 'X'].includes(defined(fields[STATE_FIELD], 'state of a process'));
  }

  list(): readonly ProcessEntry[] {
    const uid = process.getuid?.();
    const entries: ProcessEntry[] = [];
    for (const name of readdirSync('/proc')) {
      const pid = /^[0-9]+$/.test(name) ? Number(name) : null;
      if (pid === null || unlessGone(pid, () => statSync(`/proc/${pid}`).uid) !== uid) continue;
      const identity = this.identify(pid);
      const line = unlessGone(pid, () => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
      // A kernel thread or a zombie has no command line.
      if (identity !== null && line !== null && line !== '') {
        entries.push({ identity, args: line.replace(/\0$/, '').split('\0') });
      }
    }
    return entries;
  }

  private identityOf(pid: number, fields: readonly string[]): ProcessIdentity {
    return {
      pid,
      startedAt: `${defined(fields[START_TIME_FIELD], 'start time of a process')}@${this.bootId}`,
    };
  }
}

/** Columns of macOS's ps: state, start (five words: `Sun Nov 22 01:49:09 2026`), then the command line. */
const darwinRow = /^\s*(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/;

/** macOS has no /proc: `ps` tells the same, in whole seconds and with arguments joined. Untested on a Mac so far. */
class DarwinProcessTable implements ProcessTable {
  identify(pid: number): ProcessIdentity | null {
    return this.rows('-p', String(pid))[0]?.identity ?? null;
  }

  isRunning(identity: ProcessIdentity): boolean {
    const row = this.rows('-p', String(identity.pid))[0];
    return row !== undefined && row.identity.startedAt === identity.startedAt && !row.state.startsWith('Z');
  }

  list(): readonly ProcessEntry[] {
    return this.rows('-x');
  }

  private rows(...selection: readonly string[]): readonly (ProcessEntry & { readonly state: string })[] {
    const entries: (ProcessEntry & { readonly state: string })[] = [];
    for (const line of this.ps(selection).split('\n')) {
      const [, pid, state, startedAt, command] = darwinRow.exec(line) ?? [];
      if (pid === undefined || state === undefined || startedAt === undefined || command === undefined) {
        continue;
      }
      entries.push({ identity: { pid: Number(pid), startedAt }, state, args: command.split(' ') });
    }
    return entries;
  }

  private ps(selection: readonly string[]): string {
    try {
      return childProcess().execFileSync('ps', [...selection, '-o', 'pid=,state=,lstart=,args='], {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      });
    } catch (error) {
      // Status 1 with no output is how ps says that no process matches.
      if (error instanceof Error && 'status' in error && error.status === 1) return '';
      throw toSystemError(error, 'inspect', 'processes');
    }
  }
}

export function createProcessTable(): ProcessTable {
  return process.platform === 'darwin' ? new DarwinProcessTable() : new LinuxProcessTable();
}
