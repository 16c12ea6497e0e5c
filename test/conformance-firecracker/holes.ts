/** Which parts of a file are data, and which are holes. */
import { z } from 'zod';
import type { Env } from '../../src/env/env.ts';
import { isSystemError } from '../../src/env/system-error.ts';
import { printed } from './binary.ts';
import { Skipped } from './case.ts';

const mapSchema = z.array(z.object({ start: z.int(), length: z.int(), data: z.boolean() }));

export interface Extent {
  readonly from: number;
  /** The byte after the last one. */
  readonly to: number;
}

/** Node cannot ask the file system for holes; qemu-img does. @throws Skipped when there is none. */
export async function dataExtents(env: Pick<Env, 'processes'>, path: string): Promise<readonly Extent[]> {
  const args = ['map', '--output=json', '-f', 'raw', path];
  const { output: stdout } = await printed(env, 'qemu-img', args).catch((error: unknown) => {
    throw isSystemError(error, 'ENOENT') ? new Skipped('no qemu-img to tell holes') : error;
  });
  const parts = mapSchema.parse(JSON.parse(stdout)).filter(({ data }) => data);
  return parts.map(({ start, length }) => ({ from: start, to: start + length }));
}
