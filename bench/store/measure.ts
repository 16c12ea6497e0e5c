/** Everybody takes a turn in every run, so that a busy host slows all of them alike. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startCeph } from '../../test/support/ceph.ts';
import { testKeys } from '../../test/support/strict-s3/strict-s3.ts';
import type { MemoryImages } from './memory-images.ts';
import { runOurs } from './ours.ts';
import type { OurRun } from './ours.ts';
import { measureParts } from './parts.ts';
import type { Parts } from './parts.ts';
import { localPeers, runPeer, s3Peers, zstdRun } from './peers.ts';
import type { PeerName, PeerRun, S3Place } from './peers.ts';

export interface Samples {
  readonly plain: readonly OurRun[];
  readonly sealed: readonly OurRun[];
  readonly overS3: readonly OurRun[];
  readonly zstd: readonly { readonly compressMs: number; readonly decompressMs: number }[];
  readonly parts: readonly Parts[];
  readonly peers: ReadonlyMap<PeerName, readonly PeerRun[]>;
}

export interface MeasureRequest {
  readonly images: MemoryImages;
  readonly directory: string;
  readonly runs: number;
}

export async function measure({ images, directory, runs }: MeasureRequest): Promise<Samples> {
  const plain: OurRun[] = [];
  const sealed: OurRun[] = [];
  const overS3: OurRun[] = [];
  const zstd: Samples['zstd'][number][] = [];
  const parts: Parts[] = [];
  const peers = new Map<PeerName, PeerRun[]>();
  const ours = async (isSealed: boolean): Promise<OurRun> => {
    const store = join(directory, 'ours');
    rmSync(store, { recursive: true, force: true });
    mkdirSync(store);
    return await runOurs({ url: store, isSealed }, images, directory);
  };
  for (let run = 0; run < runs; run += 1) {
    console.log(`· run ${run + 1} of ${runs}`);
    zstd.push(await zstdRun(images.a, directory));
    parts.push(measureParts(images.a));
    plain.push(await ours(false));
    sealed.push(await ours(true));
    await withS3(async (s3) => {
      const variables = { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey };
      const through = async (prefix: string): Promise<OurRun> => {
        const url = `s3://${s3.bucket}/${prefix}?endpoint=${s3.endpoint}`;
        return await runOurs({ url, isSealed: false, variables }, images, directory);
      };
      // A service that has just begun takes its first writes three times as slowly, whoever's they are.
      await through('first');
      overS3.push(await through('ours'));
      for (const peer of [...localPeers(directory), ...s3Peers(s3, directory)]) {
        const taken = peers.get(peer.name) ?? [];
        taken.push(await runPeer(peer, images, directory));
        peers.set(peer.name, taken);
      }
    });
  }
  return { plain, sealed, overS3, zstd, parts, peers };
}

/** A service of its own for each run: it keeps its objects in memory, which would be full after some, and then nobody is answered. */
async function withS3(use: (s3: S3Place) => Promise<void>): Promise<void> {
  const ceph = await startCeph();
  try {
    await use({
      endpoint: ceph.endpoint,
      bucket: ceph.url.slice('s3://'.length),
      accessKeyId: testKeys['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: testKeys['AWS_SECRET_ACCESS_KEY'] ?? '',
    });
  } finally {
    await ceph.close();
  }
}
