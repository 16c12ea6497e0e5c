import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { SimProcess } from '../process.ts';
import type { GuestRam } from './guest-ram.ts';

/** Where simulated VMMs map their guests' memory. */
const ADDRESS = 0x7f00_0000_0000;

/** Shows the private mapping of a file as a guest's memory in `/proc`. */
export function showMemory(process: SimProcess, memoryPath: string, ram: GuestRam): void {
  const end = ADDRESS + ram.pageCount * PAGE_BYTES;
  const range = [ADDRESS, end].map((address) => address.toString(16)).join('-');
  const maps = utf8(
    `55d000000000-55d000001000 r-xp 00000000 fe:00 17 ${process.args[0] ?? ''}\n${range} rw-p 00000000 fe:00 42 ${memoryPath}\n`,
  );
  process.procFiles.set('maps', { read: (into, offset) => copy(maps, into, offset) });
  process.procFiles.set('mem', { read: (into, offset) => ram.read(into, offset - ADDRESS) });
  process.procFiles.set('pagemap', {
    read: (into, offset) => ram.readPagemap(into, offset - (ADDRESS / PAGE_BYTES) * 8),
  });
}

function copy(from: Bytes, into: Bytes, offset: number): number {
  const part = from.subarray(offset, offset + into.byteLength);
  into.set(part);
  return part.byteLength;
}
