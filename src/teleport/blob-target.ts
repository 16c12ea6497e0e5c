/** What an imported blob is written to: the files of a snapshot of this host, which is none before `complete`. */
import { assert } from '../base/assert.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { createSynced } from '../env/durable-files.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { diskLayerPath, pageFilePath } from '../snapshot/local-snapshot.ts';
import { PageMap } from '../snapshot/page-map.ts';
import { PageRunsBuilder } from '../snapshot/page-runs.ts';
import { createFirstLayer } from '../vm/disk-layers.ts';
import { imageFilesFor } from './image-files.ts';
import type { Bytes } from '../base/bytes.ts';
import type { FileHandle } from '../env/files.ts';
import type { BlobContents, BlobSink } from '../snapshot/blob/contents.ts';
import type { DiskLayer } from '../snapshot/local-snapshot.ts';
import type { LocalSnapshot } from '../snapshot/local-snapshots.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { PageBatch } from '../snapshot/page-reader.ts';
import type { TeleportHost } from './teleport-host.ts';

const ACT = 'store what is imported';

/** Called as a `BlobSink` is, and then `complete`; or `abandon` when something failed. What a failure leaves are blobs that nobody names and a snapshot without its root. */
export class BlobTarget implements BlobSink {
  readonly #host: TeleportHost;
  readonly #describe: (contents: BlobContents) => Promise<SnapshotMetadata>;
  readonly #runs = new PageRunsBuilder();
  readonly #memoryId: string;
  #state: Writing | null = null;

  /** @param describe what the snapshot will be on this host; throws to refuse the blob before anything is written. */
  constructor(host: TeleportHost, describe: (contents: BlobContents) => Promise<SnapshotMetadata>) {
    this.#host = host;
    this.#describe = describe;
    this.#memoryId = host.env.random.uuid();
  }

  async begin(contents: BlobContents): Promise<void> {
    const metadata = await this.#describe(contents);
    const { snapshots, env, places } = this.#host;
    const directory = await snapshots.prepare(metadata.vmId, metadata.snapshotId);
    const open = new OpenFiles(env.files);
    this.#state = { metadata, directory, open, deviceStateBytes: 0, disk: null };
    await attemptLocally(ACT, async () => {
      await open.add('device-state', `${directory}/device-state`);
      const memory = await open.add('memory', pageFilePath(places.blobDirectory, this.#memoryId));
      await memory.truncate(contents.memory.sizeBytes);
      this.#writing.disk =
        contents.disks.length === 0 ? await this.#emptyDisk(metadata) : await this.#newDisk(open, metadata);
    });
  }

  async deviceState(bytes: Bytes): Promise<void> {
    const writing = this.#writing;
    await attemptLocally(ACT, () => writing.open.get('device-state').write(bytes, writing.deviceStateBytes));
    writing.deviceStateBytes += bytes.byteLength;
  }

  async memory({ extents, bytes }: PageBatch): Promise<void> {
    await attemptLocally(ACT, () => this.#writing.open.get('memory').writeBatch(extents, bytes));
    for (const { offset, length } of extents) this.#runs.append(offset / PAGE_BYTES, length / PAGE_BYTES);
  }

  async disk(index: number, { extents, bytes }: PageBatch): Promise<void> {
    assert(index === 0, 'a VM has one disk');
    await attemptLocally(ACT, () => this.#writing.open.get('disk').writeBatch(extents, bytes));
  }

  /** Makes all of it durable, and a snapshot. */
  async complete(): Promise<LocalSnapshot> {
    const { metadata, directory, open, deviceStateBytes, disk } = this.#writing;
    assert(disk !== null, 'the blob was read');
    const { env, places, snapshots } = this.#host;
    const runs = this.#runs.finish();
    const map = PageMap.identity((metadata.config.memoryMib * MIB) / PAGE_BYTES, this.#memoryId, runs);
    await attemptLocally(ACT, async () => {
      await open.sync();
      await open.close();
      await createSynced(env.files, `${directory}/memory.map`, map.encode(env.compute));
      await env.files.syncDirectory(places.blobDirectory);
    });
    return snapshots.complete({
      metadata,
      deviceStateBytes,
      memory: { pageFiles: map.pageFiles, mappable: this.#memoryId },
      disk: [disk],
      dirtyBytes: runs.pages * PAGE_BYTES,
      pauseMs: 0,
    });
  }

  /** Lets go of the files, whatever they say: for a caller that has failed already. */
  async abandon(): Promise<void> {
    await this.#state?.open.abandon();
  }

  get #writing(): Writing {
    assert(this.#state !== null, 'begun');
    return this.#state;
  }

  async #newDisk(open: OpenFiles, { config }: SnapshotMetadata): Promise<DiskLayer> {
    const sizeBytes = config.diskMib * MIB;
    const layer: DiskLayer = { id: this.#host.env.random.uuid(), format: 'raw', sizeBytes };
    const file = await open.add('disk', diskLayerPath(this.#host.places.blobDirectory, layer));
    await file.truncate(sizeBytes);
    return layer;
  }

  /** The disk of a VM that never ran: what a blob without disks is given. */
  async #emptyDisk({ config }: SnapshotMetadata): Promise<DiskLayer> {
    const { env, places } = this.#host;
    const { dataTemplate } = await imageFilesFor(this.#host, config.image);
    const layer = await createFirstLayer(env, places.blobDirectory, dataTemplate, config.diskMib);
    const file = await env.files.open(diskLayerPath(places.blobDirectory, layer), 'r+');
    this.#writing.open.keep('disk', file);
    return layer;
  }
}

interface Writing {
  readonly metadata: SnapshotMetadata;
  readonly directory: string;
  readonly open: OpenFiles;
  deviceStateBytes: number;
  disk: DiskLayer | null;
}

type FileName = 'device-state' | 'memory' | 'disk';

/** The files that are being written. */
class OpenFiles {
  readonly #files: TeleportHost['env']['files'];
  readonly #handles = new Map<FileName, FileHandle>();

  constructor(files: TeleportHost['env']['files']) {
    this.#files = files;
  }

  async add(name: FileName, path: string): Promise<FileHandle> {
    const handle = await this.#files.open(path, 'wx');
    this.keep(name, handle);
    return handle;
  }

  keep(name: FileName, handle: FileHandle): void {
    this.#handles.set(name, handle);
  }

  get(name: FileName): FileHandle {
    const handle = this.#handles.get(name);
    assert(handle !== undefined, `${name} is open`);
    return handle;
  }

  async sync(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.sync();
  }

  async close(): Promise<void> {
    for (const handle of this.#handles.values()) await handle.close();
  }

  async abandon(): Promise<void> {
    await Promise.allSettled([...this.#handles.values()].map((handle) => handle.close()));
  }
}
