/** What a publish says in its manifest, once all pages are on their way. */
import { PAGE_BYTES } from '../../base/units.ts';
import type { PureCompute } from '../../env/compute.ts';
import { comparePacks, packsOf } from './frame-table.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { PackageBody } from './manifest-body.ts';
import type { PackageManifest } from './manifest.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { bytesSource, placedStream, sendStream } from './send-stream.ts';
import type { SentStream, StreamSender } from './send-stream.ts';
import { encodeStoreMap } from './store-map-codec.ts';
import type { StoreMap } from './store-map.ts';

export type PackageContents = Pick<PackageManifest, 'packs' | 'ownPacks' | 'body'>;

export interface PackageMaps {
  readonly memory: StoreMap;
  readonly disk: StoreMap;
}

/** Sends the maps, and waits until every place is known. */
export async function sendMaps(
  sender: StreamSender,
  compute: Pick<PureCompute, 'sha256'>,
  maps: PackageMaps,
  deviceState: SentStream,
): Promise<Pick<PackageBody, 'deviceState' | 'memoryMap' | 'diskMap'>> {
  const send = async (map: StoreMap): Promise<SentStream> =>
    await sendStream(sender, bytesSource('map', encodeStoreMap(map, compute)));
  const [memoryMap, diskMap] = [await send(maps.memory), await send(maps.disk)];
  return {
    deviceState: await placedStream(sender, deviceState),
    memoryMap: await placedStream(sender, memoryMap),
    diskMap: await placedStream(sender, diskMap),
  };
}

export interface SentPackage {
  readonly parts: Omit<PackageBody, 'parentId' | 'sizes'>;
  readonly maps: PackageMaps;
  /** The package that the snapshot before was published as, if it was. */
  readonly parentId: string | null;
  /** Packs of other sessions that have the image, and their stored bytes. */
  readonly imagePacks: readonly PackName[];
  readonly imageBytes: number;
}

/** @param writer of which all is durable. */
export function packageContents(
  writer: Pick<FrameWriter, 'packs' | 'storedBytes'>,
  session: string,
  { parts, maps, parentId, imagePacks, imageBytes }: SentPackage,
): PackageContents {
  const shared = [...maps.memory.frames, ...maps.disk.frames].filter(({ pack }) => pack.session !== session);
  const others = distinct([...packsOf(shared), ...imagePacks]);
  const sizes = {
    memoryBytes: maps.memory.pages * PAGE_BYTES,
    diskBytes: maps.disk.pages * PAGE_BYTES,
    ownBytes: writer.storedBytes,
    sharedBytes: shared.reduce((sum, { storedBytes }) => sum + storedBytes, imageBytes),
  };
  const body = { ...parts, parentId: others.length === 0 ? null : parentId, sizes };
  return { packs: [...writer.packs, ...others], ownPacks: writer.packs.length, body };
}

function distinct(packs: readonly PackName[]): readonly PackName[] {
  return [...new Map(packs.map((pack) => [packText(pack), pack])).values()].toSorted(comparePacks);
}
