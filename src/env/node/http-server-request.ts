import { PullReader } from './pull-reader.ts';
import type { IncomingMessage } from 'node:http';

/** Requests that have no body in the web's model, and are refused one by its constructor. */
const methodsWithoutBody: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD']);
/** Methods that the web's constructor refuses. */
const methodsForbidden: ReadonlySet<string | undefined> = new Set(['CONNECT', 'TRACE', 'TRACK']);

/** @returns null when the request cannot be told in the web's words: it is malformed. */
export function toWebRequest(incoming: IncomingMessage, signal: AbortSignal): Request | null {
  const { method, url } = incoming;
  if (method === undefined || methodsForbidden.has(method)) return null;
  // Only the plain form of a target; the host is not ours to believe, and readers find it in the headers.
  if (url === undefined || !url.startsWith('/')) return null;
  const init = { method, headers: webHeaders(incoming), signal };
  const request = methodsWithoutBody.has(method)
    ? new Request(`http://localhost${url}`, init)
    : new Request(`http://localhost${url}`, { ...init, body: bodyOf(incoming), duplex: 'half' });
  // The constructor's own signal only follows ours while the request is not collected; a handler may keep no more than
  // the signal.
  Object.defineProperty(request, 'signal', { value: signal });
  return request;
}

function webHeaders(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}

/** A reader is made at the first pull, so that Node drains a body that nobody asked for. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let reader: PullReader | null = null;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        reader ??= new PullReader(incoming, 'request body');
        const bytes = await reader.read();
        if (bytes !== null) controller.enqueue(bytes);
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
