/** What a VMM writes to its log and its console: at once, since nobody waits for it, and lost when the disk is full. */
import { utf8 } from '../../../base/bytes.ts';
import { isSystemError, SystemError } from '../../../env/system-error.ts';
import { follow } from '../../disk/paths.ts';
import type { StandardStreams } from '../../env/sim-processes.ts';
import type { Machine } from '../../machine.ts';
import type { SimProcess } from '../../process.ts';

/** Says what a program prints to whoever listens: its file, or who started it. @param name of the program. */
export function printer(
  { process, streams }: { readonly process: SimProcess; readonly streams: StandardStreams },
  name: string,
): (text: string) => Promise<void> {
  return async (text) => {
    if (streams.file !== null) tryAppendText(process.machine, streams.file, text);
    await streams.stdout?.write(process, `${name}.stdout`, utf8(text));
  };
}

/** Makes the file where there is none. @throws SystemError `ENOENT`, `EISDIR`, `ENOSPC`. */
export function appendText(machine: Machine, path: string, text: string): void {
  const { volume, directory, name, inode: found } = follow(machine, path, 'open');
  const inode = found ?? volume.newFile(0o600, machine.scheduler.nowMs);
  if (inode.kind !== 'file') throw new SystemError('EISDIR', 'open', path);
  if (found === null) volume.change({ directory, name, inode });
  volume.write(inode, utf8(text), inode.contents.sizeBytes);
}

/** False when it is lost. */
export function tryAppendText(machine: Machine, path: string, text: string): boolean {
  try {
    appendText(machine, path, text);
    return true;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return false;
  }
}
