/** The files of a checkpoint on this host: what is new in a page file, a map over it and those of older checkpoints, the head, and last `snapshot.json`. */
import { asError, isKelpieError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Application } from '../checkpoint/application.ts';
import { captureApplications } from '../checkpoint/capture-applications.ts';
import type { Reading } from '../checkpoint/capture-applications.ts';
import type { GuestContext } from '../checkpoint/guest-command.ts';
import { HEAD_BYTES_MAX } from '../checkpoint/limits.ts';
import { KnownPages } from '../checkpoint/known-pages.ts';
import { PageGatherer } from '../checkpoint/page-gatherer.ts';
import { createSynced } from '../env/durable-files.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import { readPageMap } from '../snapshot/read-page-map.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import type { LocalSnapshot, SnapshotFacts } from '../snapshot/local-snapshots.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { TeleportHost } from './teleport-host.ts';

type FilesHost = Pick<TeleportHost, 'env' | 'places' | 'snapshots' | 'log'>;

export interface KeptReading extends Reading {
  /** UUID of the page file that has what is new, durable; it is not there when nothing is. */
  readonly pageFile: string;
  /** Bytes of pages that no checkpoint before had. */
  readonly newBytes: number;
}

/** One reading, in a page file of its own. @returns null, with nothing left of it, when files changed meanwhile. @throws as `captureApplications`. */
export async function readIntoPages(
  { env, places }: FilesHost,
  context: GuestContext,
  applications: readonly Application[],
  known: KnownPages,
  onFiles: (doneBytes: number) => void,
): Promise<KeptReading | null> {
  const pageFile = env.random.uuid();
  const path = pageFilePath(places.blobDirectory, pageFile);
  let kept: KeptReading | null = null;
  try {
    await attemptLocally('store the checkpoint', async () => {
      const file = await env.files.open(path, 'wx');
      try {
        const pages = new PageGatherer(env.compute, known, pageFile, file);
        const reading = await captureApplications(context, applications, pages, onFiles);
        await file.sync();
        if (reading !== null) kept = { ...reading, pageFile, newBytes: pages.newBytes };
      } finally {
        await file.close();
      }
      await env.files.syncDirectory(places.blobDirectory);
    });
    return kept;
  } finally {
    if (kept === null) await env.files.removeTree(path);
  }
}

/** Pages of the VM's last checkpoint, as far as it can be read. @throws KelpieError `canceled`, `io_failed`. */
export async function knownPages(
  host: FilesHost,
  before: LocalSnapshot | null,
  signal: AbortSignal,
): Promise<KnownPages> {
  const known = new KnownPages(host.env.compute);
  if (before === null) return known;
  try {
    const map = await checkpointMap(host, before);
    await known.addAll(host.env, map, (id) => pageFilePath(host.places.blobDirectory, id), signal);
    return known;
  } catch (error) {
    if (!isKelpieError(error, 'snapshot_corrupt', 'package_too_new')) throw error;
    const { vmId, snapshotId } = before.metadata;
    host.log.error({ event: 'base-not-used', vmId, snapshotId, err: asError(error) });
    return new KnownPages(host.env.compute);
  }
}

/** Of the checkpoints of a VM, the last one that can be read. */
export async function lastCheckpoint({ snapshots }: FilesHost, vmId: string): Promise<LocalSnapshot | null> {
  const whole = (await snapshots.list(vmId)).flatMap((listing) =>
    listing.damaged ? [] : [listing.snapshot],
  );
  return whole.findLast(({ metadata }) => metadata.kind === 'checkpoint') ?? null;
}

/** @throws KelpieError `snapshot_corrupt`, `package_too_new`. */
export async function checkpointMap(
  { env }: Pick<FilesHost, 'env'>,
  { memory }: LocalSnapshot,
): Promise<PageMap> {
  return attemptLocally('read the checkpoint', () => readPageMap(env, memory.mapPath));
}

/** Its head, for `parseHead`. */
export async function checkpointHead(
  { env }: Pick<FilesHost, 'env'>,
  { deviceStatePath }: LocalSnapshot,
): Promise<Bytes> {
  return attemptLocally('read the checkpoint', () => env.files.readFile(deviceStatePath, HEAD_BYTES_MAX));
}

/** Makes the checkpoint exist on this host. Its page files are durable already. */
export async function completeCheckpoint(
  { env, snapshots }: FilesHost,
  metadata: SnapshotMetadata,
  { head, map, newBytes }: Pick<KeptReading, 'head' | 'map' | 'newBytes'>,
): Promise<LocalSnapshot> {
  const directory = await snapshots.prepare(metadata.vmId, metadata.snapshotId);
  await attemptLocally('store the checkpoint', async () => {
    await createSynced(env.files, `${directory}/device-state`, head);
    await createSynced(env.files, `${directory}/memory.map`, map.encode(env.compute));
  });
  return snapshots.complete(checkpointFacts(metadata, head.byteLength, map, newBytes));
}

/** What is written down of a checkpoint whose files are there. @param newBytes of pages that came with it. */
export function checkpointFacts(
  metadata: SnapshotMetadata,
  headBytes: number,
  { pageFiles }: PageMap,
  newBytes: number,
): SnapshotFacts {
  return {
    metadata,
    deviceStateBytes: headBytes,
    memory: { pageFiles, mappable: null },
    disk: [],
    dirtyBytes: newBytes,
    pauseMs: 0,
  };
}
