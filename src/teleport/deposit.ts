/**
 * A blob becomes a package of a store, in which a new VM is at rest: for any host to restore. Nothing of it is kept on this host. Progress phases: `image`,
 * `import`, `publish`.
 *
 *     read, check, send pages ──▶ all durable, all digests right ──▶ journal ──▶ manifest ──▶ record: at rest
 *            └───────────────────────────┴─ a failure or a crash: nothing is seen       └───────┴─ a crash: `settle-deposit.ts`
 *
 * As with an import to this host it is a *new* VM (docs/adr/0081-an-import-is-a-new-vm.md), so no other VM's record is asked or changed.
 */
import { ByteReader } from '../base/byte-reader.ts';
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { PAGE_BYTES } from '../base/units.ts';
import { chunksOf } from '../env/file-chunks.ts';
import { readBlob } from '../snapshot/blob/read-blob.ts';
import { readFullImage } from '../snapshot/blob/full-image.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { requireTemplateFits } from '../vm/disk-layers.ts';
import { imageFilesFor } from './image-files.ts';
import { imageFilesOf } from './image-transfer.ts';
import { ImportProgress } from './import-progress.ts';
import { describeImported, requireImportable } from './imported-snapshot.ts';
import { isHeld } from './ownership.ts';
import { DEPOSIT_EPOCH, settleDeposit } from './settle-deposit.ts';
import type { Bytes } from '../base/bytes.ts';
import type { BlobContents, BlobSink } from '../snapshot/blob/contents.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { Store } from '../store/open-store.ts';
import type { PackageSource, PackageWriter, TeleportPackage } from '../store/teleport-storage.ts';
import type { ImportRequest } from './imported-snapshot.ts';
import type { DepositOperation } from './operations.ts';
import type { OperationOptions } from './source.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface DepositRequest extends ImportRequest {
  /** Of the new VM, never used before; its lock is held. */
  readonly vmId: string;
  readonly storeUrl: string;
}

export interface Deposited {
  readonly package: TeleportPackage;
  readonly storeUrl: string;
  readonly epoch: number;
  /** How many can read it; null when it is not encrypted. */
  readonly recipientCount: number | null;
}

/**
 * @param bytes the blob, not trusted; ended in any case.
 * @throws KelpieError `package_corrupt`, `package_too_new`, `limit_exceeded`, `invalid_argument`, `name_taken`, `image_not_found` for a blob without a
 * disk, `canceled`, and as `TeleportStorage.upload`; then the store has nothing of it that is seen, unless it is the journal that says so.
 */
export async function depositBlob(
  host: TeleportHost,
  bytes: AsyncIterable<Bytes>,
  request: DepositRequest,
  options: OperationOptions,
): Promise<Deposited> {
  const store = await host.openStore(request.storeUrl);
  const sink = new DepositSink(host, store, request, options);
  const progress = new ImportProgress(options);
  try {
    await readBlob(progress.read(bytes), progress.watch(sink), host.env.compute);
    options.listener.progress('publish');
    const sealed = await sink.seal();
    throwIfCanceled(options.signal, 'the import');
    await publish(host, sink.writer, intent(host, request.storeUrl, sealed));
    const { storage } = store;
    const { recipientCount } = storage;
    return { package: sealed, storeUrl: storage.url, epoch: DEPOSIT_EPOCH, recipientCount };
  } catch (error) {
    throw await sink.abandon(error);
  }
}

/** From here on a crash finds what there is to do, and canceling is too late. The store's word decides, not what became of a request. */
async function publish(
  host: TeleportHost,
  writer: PackageWriter,
  operation: DepositOperation,
): Promise<void> {
  await host.journal.begin(operation);
  const [outcome] = await Promise.allSettled([writer.publish()]);
  const isThere = await settleOrHold(host, operation);
  if (isThere) return;
  if (outcome.status === 'rejected') throw outcome.reason;
  const message = `the package ${operation.packageId} vanished from ${operation.storeUrl}: check it with \`kelpie doctor --store\`.`;
  throw new KelpieError('store_conflict', message);
}

async function settleOrHold(host: TeleportHost, operation: DepositOperation): Promise<boolean> {
  try {
    return await settleDeposit(host, operation);
  } catch (error) {
    host.hold(operation, error);
    const message = `the import of "${operation.vmName}" is not settled: it is finished as soon as ${operation.storeUrl} answers.`;
    throw new KelpieError('store_unavailable', message, { cause: error });
  }
}

function intent(
  { env }: TeleportHost,
  storeUrl: string,
  { id, metadata }: TeleportPackage,
): DepositOperation {
  return {
    kind: 'deposit',
    id: env.random.uuid(),
    vmId: metadata.vmId,
    vmName: metadata.config.name,
    startedAtUnixMs: Math.round(env.clock.wallMs()),
    storeUrl,
    packageId: id,
  };
}

/** A blob on its way into a package. */
class DepositSink implements BlobSink {
  readonly #host: TeleportHost;
  readonly #store: Store;
  readonly #request: DepositRequest;
  readonly #options: OperationOptions;
  #contents: BlobContents | null = null;
  #writer: PackageWriter | null = null;

  constructor(host: TeleportHost, store: Store, request: DepositRequest, options: OperationOptions) {
    this.#host = host;
    this.#store = store;
    this.#request = request;
    this.#options = options;
  }

  /** Once it was begun. */
  get writer(): PackageWriter {
    if (this.#writer !== null) return this.#writer;
    throw new KelpieError('package_corrupt', 'the package cannot be used: it has nothing in it.');
  }

  async begin(contents: BlobContents): Promise<void> {
    requireImportable(contents, this.#request);
    const { env } = this.#host;
    const { signal, listener } = this.#options;
    const described = describeImported(env, this.#request.vmId, contents.metadata, this.#request);
    const metadata: SnapshotMetadata = { ...described, kind: 'teleport' };
    await this.#requireFreeName(metadata.config.name);
    if (contents.version === 1) await this.#template(metadata);
    const image = { digest: metadata.config.image.digest, files: await this.#imageFiles(metadata) };
    this.#contents = { ...contents, metadata };
    this.#writer = await this.#store.storage.write(
      { metadata, deviceStateBytes: contents.deviceStateBytes, image },
      {
        signal,
        onProgress: ({ item, doneBytes, totalBytes }) =>
          listener.progress('image', item, doneBytes, totalBytes),
      },
    );
  }

  async deviceState(bytes: Bytes): Promise<void> {
    await this.writer.deviceState(bytes);
  }

  async memory(batch: Parameters<BlobSink['memory']>[0]): Promise<void> {
    await this.writer.pages('memory', batch);
  }

  async disk(_index: number, batch: Parameters<BlobSink['memory']>[0]): Promise<void> {
    await this.writer.pages('disk', batch);
  }

  async seal(): Promise<TeleportPackage> {
    if (this.#contents?.version === 1) await this.#emptyDisk(this.#contents.metadata);
    return await this.writer.seal();
  }

  /** @returns the first failure of all. */
  async abandon(error: unknown): Promise<unknown> {
    return this.#writer === null ? error : await this.#writer.abandon(error);
  }

  /** Of two VMs with one name people could only say which they mean by an id. */
  async #requireFreeName(name: string): Promise<void> {
    const records = await this.#store.ownership.list();
    const isTaken = records.some(
      (record) => record.vmName === name && (record.state === 'at-rest' || isHeld(record)),
    );
    if (!isTaken) return;
    const message = `there is a VM "${name}" in ${this.#store.storage.url} already: give this one another name with --name.`;
    throw new KelpieError('name_taken', message);
  }

  /** Those of this host's image, for whoever restores the VM; none where it is not here. */
  async #imageFiles({ config }: SnapshotMetadata): Promise<PackageSource['imageFiles']> {
    try {
      return await imageFilesOf(this.#host, config.image);
    } catch (error) {
      if (!isKelpieError(error, 'image_not_found')) throw error;
      const { name, version } = config.image;
      this.#options.listener.notice(
        `the VM’s image ${name} ${version} is not on this host, so the package does not carry it: whoever restores the VM needs it.`,
      );
      return [];
    }
  }

  /** The disk of a VM that never ran: what a blob without disks is given. */
  async #emptyDisk(metadata: SnapshotMetadata): Promise<void> {
    const { env } = this.#host;
    await attemptLocally('read the image’s disk', async () => {
      const path = await this.#template(metadata);
      const file = await env.files.open(path, 'r');
      const { sizeBytes } = await file.stat();
      const wholeBytes = Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES;
      const cutShort = (): Error =>
        new KelpieError('image_corrupt', 'the disk of the VM’s image became shorter while it was read.');
      const reader = new ByteReader(padded(chunksOf(file), wholeBytes - sizeBytes), cutShort);
      try {
        await readFullImage(reader, wholeBytes, env.compute, async (batch) => {
          await this.writer.pages('disk', batch);
        });
      } finally {
        await reader.close();
      }
    });
  }

  /** @throws KelpieError `image_not_found`; `invalid_argument` for a disk that is smaller than that. */
  async #template({ config }: SnapshotMetadata): Promise<string> {
    const { dataTemplate } = await imageFilesFor(this.#host, config.image);
    await requireTemplateFits(this.#host.env, dataTemplate, config.diskMib);
    return dataTemplate;
  }
}

async function* padded(chunks: AsyncIterable<Bytes>, zeros: number): AsyncGenerator<Bytes, void> {
  yield* chunks;
  if (zeros > 0) yield new Uint8Array(zeros);
}
