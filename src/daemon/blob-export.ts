/**
 * A snapshot of this host as the frames of an export (`api/blob-frames.ts`). The VM is kept from other operations until the last byte was
 * taken, or the client is gone: nothing may remove the files that are read. It runs on meanwhile, and commands in it too.
 */
import { canceledError } from '../base/cancel.ts';
import { KelpieError, asError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import { localFailure } from '../snapshot/local-failure.ts';
import { encodeBlob, encodeBlobWithoutDisks } from '../snapshot/blob/write-blob.ts';
import { blobSource } from '../teleport/blob-source.ts';
import { countedSource } from '../teleport/counted-source.ts';
import { findSnapshot } from '../teleport/restore-local.ts';
import { bytesFrame, endFrame, errorFrame, openedFrame, progressFrame } from './api/blob-frames.ts';
import { toProblem } from './api/problem.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Compute } from '../env/compute.ts';
import type { BlobSource } from '../snapshot/blob/contents.ts';
import type { CountedSource } from '../teleport/counted-source.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { BlobExportQuery } from './api/blobs.ts';
import type { Supervisor } from './supervisor.ts';

/** How often progress is told: clients that show it have less often something to show. */
const PROGRESS_BYTES: number = MIB;

/** @throws KelpieError when the export cannot begin; what fails later is told by a frame. */
export async function openExport(
  supervisor: Supervisor,
  vm: ManagedVm,
  query: BlobExportQuery,
  request: AbortSignal,
): Promise<AsyncIterable<Bytes>> {
  const signal = AbortSignal.any([canceledBy(request), supervisor.ending]);
  const frames = exportFrames(supervisor, vm, query, signal);
  // Begun here, so that what fails at once is answered as a problem, and so that ending it releases the VM: a generator that was
  // never begun skips its `finally`.
  const first = await frames.next();
  return started(first, frames);
}

async function* exportFrames(
  supervisor: Supervisor,
  vm: ManagedVm,
  query: BlobExportQuery,
  signal: AbortSignal,
): AsyncGenerator<Bytes, void> {
  const { host } = supervisor;
  const act = `export "${vm.name}"`;
  const release = await hold(supervisor, vm.id, act, signal);
  try {
    const { source, snapshotId } = await open(supervisor, vm, query, signal);
    const { version } = query;
    const { payloadBytes } = source;
    yield* openedFrame({ vmId: vm.id, vmName: vm.name, snapshotId, version, payloadBytes });
    try {
      let sizeBytes = 0;
      let toldBytes = 0;
      for await (const chunk of encode(source, query, host.env.compute)) {
        if (signal.aborted) throw canceledError(signal, 'the export');
        sizeBytes += chunk.byteLength;
        if (chunk.byteLength > 0) yield* bytesFrame(chunk);
        if (source.doneBytes - toldBytes < PROGRESS_BYTES) continue;
        toldBytes = source.doneBytes;
        yield* progressFrame(toldBytes);
      }
      yield* endFrame(sizeBytes);
    } catch (error) {
      const told = localFailure(error, act);
      if (!(told instanceof KelpieError))
        host.log.error({ event: 'export-failed', vmId: vm.id, err: asError(error) });
      yield* errorFrame(toProblem(told));
    }
  } finally {
    await release();
  }
}

function encode(
  source: BlobSource,
  { version, compress }: BlobExportQuery,
  compute: Compute,
): AsyncIterable<Bytes> {
  return version === 1
    ? encodeBlobWithoutDisks(source)
    : encodeBlob(source, compress ? 'zstd' : 'stored', compute);
}

async function open(
  { host }: Supervisor,
  vm: ManagedVm,
  query: BlobExportQuery,
  signal: AbortSignal,
): Promise<{ readonly source: CountedSource; readonly snapshotId: string }> {
  try {
    const snapshot = await findSnapshot(host, vm, query.snapshot ?? null);
    return {
      source: countedSource(await blobSource(host, snapshot, signal), query.version),
      snapshotId: snapshot.metadata.snapshotId,
    };
  } catch (error) {
    throw localFailure(error, `export "${vm.name}"`);
  }
}

/** Keeps the VM from other operations until the result is called, or `signal` is aborted. @throws KelpieError `vm_busy`, `limit_exceeded`. */
async function hold(
  supervisor: Supervisor,
  vmId: string,
  act: string,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const held = supervisor.operate(vmId, act, async () => {
    begun.resolve();
    // A client that neither reads nor leaves must not keep a daemon from ending.
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    if (signal.aborted) ended.resolve();
    await ended.promise;
  });
  await Promise.race([begun.promise, held]);
  return async () => {
    ended.resolve();
    await held;
  };
}

function canceledBy(request: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const cancel = (): void =>
    controller.abort(new KelpieError('canceled', 'the export was canceled: its client went away.'));
  if (request.aborted) cancel();
  else request.addEventListener('abort', cancel, { once: true });
  return controller.signal;
}

/** A generator whose first item was taken already. */
function started<T>(first: IteratorResult<T, void>, rest: AsyncGenerator<T, void>): AsyncIterable<T> {
  let waiting: IteratorResult<T, void> | null = first;
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const result = waiting ?? (await rest.next());
        waiting = null;
        return result;
      },
      return: async () => rest.return(),
    }),
  };
}
