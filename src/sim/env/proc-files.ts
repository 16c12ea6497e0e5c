/** `/proc` of a simulated machine: what programs tell of themselves. */
import type { Bytes } from '../../base/bytes.ts';
import type { Extent, FileHandle } from '../../env/files.ts';
import { SystemError } from '../../env/system-error.ts';
import type { SimProcess } from '../process.ts';
import { checkBatch } from './sim-file-handle.ts';

/** What a program shows in `/proc/PID/NAME`. */
export interface ProcFile {
  /** How many bytes there were; less than asked for at the end. */
  read(into: Bytes, offset: number): number;
}

/** Copying a guest's pages takes longer than asking its VMM something, or not so long. */
const BATCH_MS_MAX = 10;

const pathPattern = /^\/proc\/(?<pid>\d+)\/(?<name>[a-z]+)$/;

const cwdPattern = /^\/proc\/(?<pid>\d+)\/cwd$/;

/** Where `/proc/PID/cwd` leads; null when the path is no such one. @throws SystemError `ENOENT` when the process is gone. */
export function workingDirectoryAt({ machine }: SimProcess, path: string): string | null {
  const { pid } = cwdPattern.exec(path)?.groups ?? {};
  if (pid === undefined) return null;
  const found = machine.process(Number(pid));
  if (found === undefined) throw new SystemError('ENOENT', 'readlink', path);
  return found.cwd;
}

/** Null when the path is none of a process. */
export function openProcFile(reader: SimProcess, path: string): FileHandle | null {
  const { pid, name } = pathPattern.exec(path)?.groups ?? {};
  if (pid === undefined || name === undefined) return null;
  const find = (): ProcFile => {
    const file = reader.machine.process(Number(pid))?.procFiles.get(name);
    if (file === undefined) throw new SystemError('ENOENT', 'open', path);
    return file;
  };
  const refuse = async (): Promise<never> => {
    throw new SystemError('EBADF', 'write', path);
  };
  return {
    read: (into, offset) => reader.call(`proc.${name}`, () => find().read(into, offset)),
    readBatch: async (extents: readonly Extent[], into: Bytes) => {
      checkBatch(extents, into);
      const delayMs = reader.machine.random.fraction() * BATCH_MS_MAX;
      await reader.call(
        `proc.${name}`,
        () => {
          let start = 0;
          for (const { offset, length } of extents) {
            const count = find().read(into.subarray(start, start + length), offset);
            if (count < length) throw new SystemError('EIO', 'read', path);
            start += length;
          }
        },
        { delayMs },
      );
    },
    write: refuse,
    writeBatch: refuse,
    truncate: refuse,
    sync: refuse,
    stat: refuse,
    close: async () => undefined,
  };
}
