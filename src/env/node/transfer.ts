import type { Bytes } from '../../base/bytes.ts';

/** One synchronous transfer of up to `length` bytes; returns how many. */
type Transfer = (fd: number, bytes: Bytes, start: number, length: number, offset: number) => number;

export interface Stretch {
  /** First byte in memory. */
  readonly start: number;
  readonly length: number;
  /** First byte in the file. */
  readonly offset: number;
}

/** All of a stretch: one call may move less (a signal, nearly no space), and the next moves the rest, or says why not. @returns false when the file ends before. */
export function transferAll(call: Transfer, fd: number, bytes: Bytes, stretch: Stretch): boolean {
  const { start, length, offset } = stretch;
  for (let done = 0; done < length;) {
    const moved = call(fd, bytes, start + done, length - done, offset + done);
    if (moved === 0) return false;
    done += moved;
  }
  return true;
}
