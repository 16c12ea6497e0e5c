/** `qemu-img`, as far as it is used: `map` of a chain, and `convert` of one to a raw file. */
import { defined } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { Program } from '../machine.ts';
import { BadLayer, openChain, OVERLAY_DATA_OFFSET, placeIn, readDiskPage } from './guest-disk.ts';
import type { Layer } from './guest-disk.ts';

interface Extent {
  readonly start: number;
  length: number;
  readonly depth: number;
  readonly offset: number;
}

const WORK_MS_MAX = 30;

export const qemuImgProgram: Program = async ({ process, env, args, streams }) => {
  const format = args[args.indexOf('-f') + 1] === 'raw' ? 'raw' : 'qcow2';
  await env.clock.sleep(process.machine.random.fraction() * WORK_MS_MAX);
  try {
    if (args[1] === 'map') {
      const extents = mapChain(openChain(process.machine, defined(args.at(-1), 'a file'), format));
      await streams.stdout?.write(process, 'qemu-img.stdout', utf8(JSON.stringify(extents)));
      return 0;
    }
    const [source, target] = args.slice(-2);
    const chain = openChain(process.machine, defined(source, 'a source'), format);
    const file = await env.files.open(defined(target, 'a target'), 'w');
    await file.truncate(sizeOf(chain));
    for (const page of pagesOf(chain)) await file.write(readDiskPage(chain, page), page * PAGE_BYTES);
    await file.close();
    return 0;
  } catch (error) {
    if (!(error instanceof BadLayer) && !isSystemError(error)) throw error;
    await streams.stderr?.write(process, 'qemu-img.stderr', utf8(`qemu-img: ${error.message}`));
    return 1;
  }
};

function mapChain(chain: readonly Layer[]): readonly unknown[] {
  const extents: Extent[] = [];
  for (const page of pagesOf(chain)) {
    const depth = chain.findIndex((layer) => placeIn(layer, page) !== null);
    const offset = placeIn(defined(chain[depth], 'the layer that has the page'), page);
    const last = extents.at(-1);
    const start = page * PAGE_BYTES;
    if (last !== undefined && last.depth === depth && last.start + last.length === start)
      last.length += PAGE_BYTES;
    else extents.push({ start, length: PAGE_BYTES, depth, offset: defined(offset, 'a place') });
  }
  return extents.map((extent) => ({
    ...extent,
    zero: false,
    data: true,
    filename: chain[extent.depth]?.path,
  }));
}

/** The disk's pages that any layer has, ascending. */
function pagesOf(chain: readonly Layer[]): readonly number[] {
  const pages = new Set<number>();
  for (const layer of chain) {
    const first = layer.format === 'raw' ? 0 : OVERLAY_DATA_OFFSET / PAGE_BYTES;
    for (const page of layer.inode.contents.pages) if (page >= first) pages.add(page - first);
  }
  return [...pages].toSorted((a, b) => a - b);
}

function sizeOf(chain: readonly Layer[]): number {
  return defined(chain[0], 'the top layer').sizeBytes;
}
