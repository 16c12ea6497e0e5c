/** `gzip -dc`, for the simulated image's kernel: behind the format's magic number the bytes are as they are. */
import { concat, equalBytes, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { defined } from '../../base/assert.ts';
import type { Program } from '../machine.ts';

const MAGIC: Bytes = Uint8Array.of(0x1f, 0x8b);

/** What the program unpacks to `bytes`. */
export function packed(bytes: Bytes): Bytes {
  return concat([MAGIC, bytes]);
}

export const gzipProgram: Program = async ({ process, streams }) => {
  const stdin = defined(streams.stdin, 'standard input');
  const parts: Bytes[] = [];
  for (
    let part = await stdin.read(process, 'gzip.stdin');
    part !== null;
    part = await stdin.read(process, 'gzip.stdin')
  )
    parts.push(part);
  const input = concat(parts);
  if (!equalBytes(input.subarray(0, MAGIC.byteLength), MAGIC)) {
    await streams.stderr?.write(process, 'gzip.stderr', utf8('gzip: stdin: not in gzip format\n'));
    return 1;
  }
  await streams.stdout?.write(process, 'gzip.stdout', input.subarray(MAGIC.byteLength));
  return 0;
};
