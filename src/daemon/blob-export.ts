/**
 * A blob as the frames of an export (`api/blob-frames.ts`). What it is of is held until the last byte was taken, or the client is gone; the number
 * of exports under way is bounded with that of all operations.
 */
import { canceledError } from '../base/cancel.ts';
import { KelpieError, asError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import { attemptLocally, localFailure } from '../snapshot/local-failure.ts';
import { encodeBlob, encodeBlobWithoutDisks } from '../snapshot/blob/write-blob.ts';
import { countedSource } from '../teleport/counted-source.ts';
import { bytesFrame, endFrame, errorFrame, openedFrame, progressFrame } from './api/blob-frames.ts';
import { toProblem } from './api/problem.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Compute } from '../env/compute.ts';
import type { BlobSource } from '../snapshot/blob/contents.ts';
import type { CountedSource } from '../teleport/counted-source.ts';
import type { BlobForm, BlobOpened } from './api/blobs.ts';
import type { ExportSubject, OpenedSubject } from './export-subjects.ts';
import type { Supervisor } from './supervisor.ts';

/** How often progress is told: clients that show it have less often something to show. */
const PROGRESS_BYTES: number = MIB;

/** @throws KelpieError when the export cannot begin; what fails later is told by a frame. */
export async function openExport(
  supervisor: Supervisor,
  subject: ExportSubject,
  form: BlobForm,
  request: AbortSignal,
): Promise<AsyncIterable<Bytes>> {
  const signal = AbortSignal.any([canceledBy(request), supervisor.ending]);
  const frames = exportFrames(supervisor, subject, form, signal);
  // Begun here, so that what fails at once is answered as a problem, and so that ending it releases the subject: a generator that was
  // never begun skips its `finally`.
  const first = await frames.next();
  return started(first, frames);
}

async function* exportFrames(
  supervisor: Supervisor,
  subject: ExportSubject,
  form: BlobForm,
  signal: AbortSignal,
): AsyncGenerator<Bytes, void> {
  const { host } = supervisor;
  const { act } = subject;
  const release = await hold(supervisor, subject, signal);
  try {
    const opened = await attemptLocally(act, () => subject.open(signal));
    const source = countedSource(opened.source, form.version);
    yield* openedFrame(describe(opened, source, form));
    try {
      yield* blobFrames(source, form, host.env.compute, signal);
    } catch (error) {
      const told = localFailure(error, act);
      if (!(told instanceof KelpieError))
        host.log.error({ event: 'export-failed', act, err: asError(error) });
      yield* errorFrame(toProblem(told));
    }
  } finally {
    await release();
  }
}

function describe(
  { vmName, packageId }: OpenedSubject,
  { metadata, payloadBytes }: CountedSource,
  { version }: BlobForm,
): BlobOpened {
  const { vmId, snapshotId } = metadata;
  return { vmId, vmName, snapshotId, packageId, version, payloadBytes };
}

async function* blobFrames(
  source: CountedSource,
  form: BlobForm,
  compute: Compute,
  signal: AbortSignal,
): AsyncGenerator<Bytes, void> {
  let sizeBytes = 0;
  let toldBytes = 0;
  for await (const chunk of encode(source, form, compute)) {
    if (signal.aborted) throw canceledError(signal, 'the export');
    sizeBytes += chunk.byteLength;
    if (chunk.byteLength > 0) yield* bytesFrame(chunk);
    if (source.doneBytes - toldBytes < PROGRESS_BYTES) continue;
    toldBytes = source.doneBytes;
    yield* progressFrame(toldBytes);
  }
  yield* endFrame(sizeBytes);
}

function encode(source: BlobSource, { version, compress }: BlobForm, compute: Compute): AsyncIterable<Bytes> {
  return version === 1
    ? encodeBlobWithoutDisks(source)
    : encodeBlob(source, compress ? 'zstd' : 'stored', compute);
}

/** Keeps the subject from other operations until the result is called, or `signal` is aborted. @throws KelpieError `vm_busy`, `limit_exceeded`. */
async function hold(
  supervisor: Supervisor,
  { key, act }: ExportSubject,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const held = supervisor.operate(key, act, async () => {
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
