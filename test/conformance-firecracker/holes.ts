/** Which parts of a file are data, and which are holes. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { Skipped } from './case.ts';

const run = promisify(execFile);

const mapSchema = z.array(z.object({ start: z.int(), length: z.int(), data: z.boolean() }));

export interface Extent {
  readonly from: number;
  /** The byte after the last one. */
  readonly to: number;
}

/** Node cannot ask the file system for holes; qemu-img does. @throws Skipped when there is none. */
export async function dataExtents(path: string): Promise<readonly Extent[]> {
  const args = ['map', '--output=json', '-f', 'raw', path];
  const { stdout } = await run('qemu-img', args).catch((error: unknown) => {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw isMissing ? new Skipped('no qemu-img to tell holes') : error;
  });
  const parts = mapSchema.parse(JSON.parse(stdout)).filter(({ data }) => data);
  return parts.map(({ start, length }) => ({ from: start, to: start + length }));
}
