/**
 * A disk's chain of layers as the simulated QEMU programs read and write it. Raw layers are as they are. An overlay has the real header, which
 * names the layer below; behind it, at a fixed distance, are its pages, each at its own place, and a hole where nothing was written.
 */
import { fromUtf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { FileInode } from '../disk/inode.ts';
import { lookup } from '../disk/paths.ts';
import type { Volume } from '../disk/volume.ts';
import type { Machine } from '../machine.ts';

/** Where an overlay's pages begin. */
export const OVERLAY_DATA_OFFSET: number = MIB;
const QCOW2_MAGIC = 0x5146_49fb;

export interface Layer {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly volume: Volume;
  readonly inode: FileInode;
  /** Of the disk, as the layer says. */
  readonly sizeBytes: number;
}

/** Why a layer cannot be used, in a program's words. */
export class BadLayer extends Error {}

/** The chain from a file down, top first. @throws BadLayer. */
export function openChain(machine: Machine, path: string, format: 'raw' | 'qcow2'): readonly Layer[] {
  const layer = openLayer(machine, path, format);
  if (format === 'raw') return [layer];
  const below = backingOf(layer);
  if (below === null) return [layer];
  const directory = path.slice(0, path.lastIndexOf('/'));
  return [layer, ...openChain(machine, `${directory}/${below}`, below.endsWith('.raw') ? 'raw' : 'qcow2')];
}

/** @throws BadLayer. */
export function openLayer(machine: Machine, path: string, format: 'raw' | 'qcow2'): Layer {
  let found;
  try {
    found = lookup(machine, path, 'open');
  } catch (error) {
    throw new BadLayer(`Could not open '${path}': ${String(error)}`);
  }
  const { volume, inode } = found;
  if (inode.kind !== 'file') throw new BadLayer(`'${path}' is no file`);
  if (format === 'raw') return { path, format, volume, inode, sizeBytes: inode.contents.sizeBytes };
  const view = viewOf(headerOf(inode));
  if (view.getUint32(0) !== QCOW2_MAGIC) throw new BadLayer(`'${path}' is not in qcow2 format`);
  return { path, format, volume, inode, sizeBytes: Number(view.getBigUint64(24)) };
}

function backingOf({ inode }: Layer): string | null {
  const header = headerOf(inode);
  const view = viewOf(header);
  const [offset, length] = [Number(view.getBigUint64(8)), view.getUint32(16)];
  return length === 0 ? null : fromUtf8(header.subarray(offset, offset + length));
}

function headerOf(inode: FileInode): Bytes {
  const header = new Uint8Array(PAGE_BYTES);
  inode.contents.read(header, 0);
  return header;
}

/** Where a page of the disk is in a layer; null when the layer does not have it. */
export function placeIn(layer: Layer, page: number): number | null {
  const offset = (layer.format === 'raw' ? 0 : OVERLAY_DATA_OFFSET) + page * PAGE_BYTES;
  return layer.inode.contents.page(offset / PAGE_BYTES) === undefined ? null : offset;
}

/** A page as the guest sees it. @param chain top first. */
export function readDiskPage(chain: readonly Layer[], page: number): Bytes {
  const into = new Uint8Array(PAGE_BYTES);
  for (const layer of chain) {
    const offset = placeIn(layer, page);
    if (offset === null) continue;
    layer.inode.contents.read(into, offset);
    return into;
  }
  return into;
}

/** Writes to the top layer. */
export function writeDiskPage(top: Layer, page: number, bytes: Bytes): void {
  const offset = (top.format === 'raw' ? 0 : OVERLAY_DATA_OFFSET) + page * PAGE_BYTES;
  top.volume.write(top.inode, bytes, offset);
}
