/**
 * What Firecracker wrote of a VM's memory: a file of the memory's size in which each page is at its own place. In a file of what
 * changed, a hole is a page that did not; in a full one, and above a memory of zeros, it is a page of zeros. So the file is the
 * page file of the snapshot as it is, and only its pages of zeros must be told from the others.
 */
import { assert } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import type { Extent, FileHandle } from '../../env/files.ts';
import { PageRunsBuilder } from '../../snapshot/page-runs.ts';
import type { PageRuns } from '../../snapshot/page-runs.ts';
import { mapImage } from '../qemu-img.ts';
import { SCAN_BYTES } from './limits.ts';

export interface WrittenPages {
  readonly runs: PageRuns;
  readonly zeroRuns: PageRuns;
}

/**
 * The pages that were written into the file, those of zeros apart.
 * @param sizeBytes of the memory: the file must be as long.
 * @param options.hasHoles holes can be told (`tellsHoles`). If not, the file must be one where a hole is a page of zeros.
 * @throws KelpieError `snapshot_failed` when it is not what Firecracker writes, `backend_unavailable` without `qemu-img`.
 */
export async function readWrittenPages(
  env: Pick<Env, 'files' | 'compute' | 'processes'>,
  path: string,
  sizeBytes: number,
  options: { readonly hasHoles: boolean; readonly signal?: AbortSignal | undefined },
): Promise<WrittenPages> {
  const { sizeBytes: fileBytes } = await env.files.stat(path);
  if (fileBytes !== sizeBytes) {
    const message = `Firecracker wrote a memory of ${fileBytes} bytes, not of ${sizeBytes}.`;
    throw new KelpieError('snapshot_failed', message);
  }
  const extents = options.hasHoles
    ? await dataExtents(env, path, options.signal)
    : [{ offset: 0, length: sizeBytes }];
  const file = await env.files.open(path, 'r');
  try {
    return await sortPages(env, file, extents);
  } finally {
    await file.close();
  }
}

/** Where a file has data, in whole pages. */
async function dataExtents(
  env: Pick<Env, 'processes'>,
  path: string,
  signal: AbortSignal | undefined,
): Promise<readonly Extent[]> {
  const what = 'the memory that Firecracker wrote';
  const all = await mapImage(env, { path, format: 'raw', what }, signal);
  const extents = all.filter(({ data }) => data).map(({ start, length }) => ({ offset: start, length }));
  if (extents.every(({ offset, length }) => offset % PAGE_BYTES === 0 && length % PAGE_BYTES === 0))
    return extents;
  throw new KelpieError('snapshot_failed', `${what} has extents that are not of whole pages.`);
}

async function sortPages(
  { compute }: Pick<Env, 'compute'>,
  file: FileHandle,
  extents: readonly Extent[],
): Promise<WrittenPages> {
  const runs = new PageRunsBuilder();
  const zeroRuns = new PageRunsBuilder();
  const buffer = new Uint8Array(SCAN_BYTES);
  for (const extent of extents) {
    const end = extent.offset + extent.length;
    for (let offset = extent.offset; offset < end;) {
      const wanted = Math.min(SCAN_BYTES, end - offset);
      const bytes = buffer.subarray(0, await file.read(buffer.subarray(0, wanted), offset));
      assert(bytes.byteLength > 0 && bytes.byteLength % PAGE_BYTES === 0, 'a file of pages is read in pages');
      for (let at = 0; at < bytes.byteLength; at += PAGE_BYTES) {
        const isZero = compute.isZero(bytes.subarray(at, at + PAGE_BYTES));
        (isZero ? zeroRuns : runs).append((offset + at) / PAGE_BYTES);
      }
      offset += bytes.byteLength;
    }
  }
  return { runs: runs.finish(), zeroRuns: zeroRuns.finish() };
}

/** Pages of the file that the trial writes; every second one. */
const TRIAL_PAGES = 64;

/**
 * Whether a folder's file system tells holes from data page by page, as files of what changed need: it need not (POSIX lets it call
 * everything data), and a page of zeros that nobody wrote would be taken for one that the guest cleared.
 */
export async function tellsHoles(
  env: Pick<Env, 'files' | 'processes' | 'random'>,
  directory: string,
): Promise<boolean> {
  const path = `${directory}/${env.random.uuid()}.pages`;
  const written: Extent[] = [];
  for (let page = 0; page < TRIAL_PAGES; page += 2)
    written.push({ offset: page * PAGE_BYTES, length: PAGE_BYTES });
  try {
    const file = await env.files.open(path, 'wx');
    try {
      await file.truncate(TRIAL_PAGES * PAGE_BYTES);
      for (const { offset, length } of written) await file.write(new Uint8Array(length), offset);
      await file.sync();
    } finally {
      await file.close();
    }
    const seen = await dataExtents(env, path, undefined);
    return (
      seen.length === written.length && seen.every(({ offset }, index) => offset === written[index]?.offset)
    );
  } catch (error) {
    if (error instanceof KelpieError) return false;
    throw error;
  } finally {
    await env.files.removeTree(path);
  }
}
