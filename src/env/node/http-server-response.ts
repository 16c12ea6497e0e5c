import { once } from 'node:events';
import { raceWith } from '../../base/race-with.ts';
import type { ServerResponse } from 'node:http';

/** Sends headers at once and the body as the client takes it; resolves when all was sent or the client went away. */
export async function sendWebResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  if (outgoing.destroyed) {
    await response.body?.cancel();
    return;
  }
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  if (response.body === null) {
    await ended(outgoing);
    return;
  }
  // A duplex exchange may have headers long before it has bytes.
  outgoing.flushHeaders();
  await sendBody(response.body, outgoing);
}

/** @throws what the body throws, after the client has had what came before. */
async function sendBody(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader();
  const closed = Promise.withResolvers<void>();
  // Cancelling also ends a read that waits for a command's next output.
  const onClose = (): void => closed.resolve(reader.cancel());
  outgoing.once('close', onClose);
  const orClosed = raceWith(closed.promise);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (outgoing.destroyed) return await closed.promise;
      if (done) break;
      if (!outgoing.write(value)) await orClosed(once(outgoing, 'drain'));
    }
  } finally {
    outgoing.off('close', onClose);
  }
  await ended(outgoing);
}

async function ended(outgoing: ServerResponse): Promise<void> {
  const closed = once(outgoing, 'close');
  outgoing.end();
  await closed;
}
