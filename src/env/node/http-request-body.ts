import { raceWith } from '../../base/race-with.ts';
import type { ClientRequest } from 'node:http';
import type { Bytes } from '../../base/bytes.ts';

/**
 * Sends a body as fast as the connection takes it, until it ends or the exchange is over. It never waits for a body
 * that has nothing to say (a person's keyboard) once the exchange is over.
 * @throws what the body throws.
 */
export async function pumpRequestBody(body: AsyncIterable<Bytes>, request: ClientRequest): Promise<void> {
  const closed = Promise.withResolvers<'closed'>();
  request.once('close', () => closed.resolve('closed'));
  const orClosed = raceWith(closed.promise);
  // A duplex exchange begins with its headers: the answer may come before there is any body.
  request.flushHeaders();
  const iterator = body[Symbol.asyncIterator]();
  for (;;) {
    const next = iterator.next();
    const step = await orClosed(next);
    if (step === 'closed') {
      abandon(iterator, next);
      return;
    }
    if (step.done === true) break;
    if (request.write(step.value)) continue;
    const drained = Promise.withResolvers<'drained'>();
    request.once('drain', () => drained.resolve('drained'));
    if ((await orClosed(drained.promise)) === 'closed') {
      await iterator.return?.();
      return;
    }
  }
  request.end();
}

/** Nobody is left to tell what becomes of the chunk that was asked for last. */
function abandon(iterator: AsyncIterator<Bytes>, next: Promise<unknown>): void {
  const ignore = (): void => {};
  next.catch(ignore);
  iterator.return?.().catch(ignore);
}
