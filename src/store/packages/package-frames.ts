import type { Env } from '../../env/env.ts';
import type { ActOptions } from '../objects/object-store.ts';
import { compareFrames } from './frame-table.ts';
import type { StoredPackage } from './open-package.ts';
import { packText } from './pack-name.ts';
import { listFrames } from './read-stream.ts';
import type { FrameInfo } from './store-map.ts';
import { listedFrames } from './stored-stream.ts';
import type { StoredStream, StreamReference } from './stored-stream.ts';

/** A stream of a package that is not one of its maps: those are read on the way to everything else. */
export interface NamedStream {
  readonly name: string;
  readonly stream: StoredStream;
}

/** Everything that a package refers to, each once. */
export interface PackageFrames {
  /** In the order of packs and of numbers. */
  readonly pages: readonly FrameInfo[];
  readonly streams: readonly NamedStream[];
  /** Of the maps and of the tables of long streams: what was read to know the others. */
  readonly index: readonly FrameInfo[];
}

/** Reads the maps and the tables. @throws KelpieError `package_corrupt`, `package_not_found`; StoreTrouble. */
export async function framesOf(
  env: Pick<Env, 'compute'>,
  opened: StoredPackage,
  options: ActOptions = {},
): Promise<PackageFrames> {
  const { deviceState, memoryMap, diskMap, imageFiles } = opened.manifest.body;
  const maps = [await opened.map('memory', options), await opened.map('disk', options)];
  const named: readonly { readonly name: string; readonly stream: StreamReference }[] = [
    { name: 'device-state', stream: deviceState },
    ...imageFiles,
  ];
  const streams: NamedStream[] = [];
  for (const { name, stream } of named)
    streams.push({ name, stream: await listFrames(env, opened.reader, stream, { ...options, item: name }) });
  const tables = named.flatMap(({ stream }) => ('table' in stream ? stream.table.frames : []));
  return {
    pages: unique(maps.flatMap(({ frames }) => frames)),
    streams,
    index: unique([...listedFrames(memoryMap), ...listedFrames(diskMap), ...tables]),
  };
}

/** The frames of each pack, as `packText` has it. */
export function framesByPack({
  pages,
  streams,
  index,
}: PackageFrames): ReadonlyMap<string, readonly FrameInfo[]> {
  const all = [...pages, ...index, ...streams.flatMap(({ stream }) => stream.frames)];
  return Map.groupBy(unique(all), ({ pack }) => packText(pack));
}

/** Two of one place that say another thing of it are two: at most one of them is right. */
function unique(frames: readonly FrameInfo[]): readonly FrameInfo[] {
  const byText = new Map(frames.map((frame) => [frameText(frame), frame]));
  return [...byText.values()].toSorted(compareFrames);
}

/** Names a frame and all that is said of it. */
export function frameText({ pack, number, offset, storedBytes, rawBytes, codec, sha256 }: FrameInfo): string {
  return `${packText(pack)} ${number} ${offset} ${storedBytes} ${rawBytes} ${codec} ${sha256}`;
}
