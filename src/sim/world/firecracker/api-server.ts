/** The server of the simulated Firecracker's interface: one request after the other, each on a connection of its own. */
import { concat, fromUtf8, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import type { Env } from '../../../env/env.ts';
import type { Connection } from '../../../env/sockets.ts';
import { isSystemError } from '../../../env/system-error.ts';
import { bodyFrames, FrameReader, FrameWriter, headFrame, headOf } from '../../env/http-frames.ts';
import type { HttpRequest } from '../../firecracker/handlers.ts';
import type { Reply } from './troubles.ts';

const NO_BYTES: Bytes = new Uint8Array(0);
const GARBAGE: Bytes = utf8('HTTP/1.1 2x4 \u0000\r\n{"fault_mess');

/** @param reply what is said to a request. @param onReplied called when that is on its way, or nobody is there to hear it. */
export async function serveApi(
  { sockets }: Pick<Env, 'sockets'>,
  path: string,
  reply: (request: HttpRequest) => Promise<Reply>,
  onReplied: () => void,
): Promise<void> {
  let queue: Promise<void> = Promise.resolve();
  const exchange = async (connection: Connection): Promise<void> => {
    try {
      const request = await readRequest(new FrameReader(connection));
      if (request !== null) await send(connection, await reply(request));
    } catch (error) {
      // The client is gone.
      if (!isSystemError(error)) throw error;
    } finally {
      connection.close();
    }
    onReplied();
  };
  await sockets.listen({ kind: 'unix', path }, (connection) => {
    // Firecracker's server has one thread: a request that hangs holds up all later ones.
    queue = queue.then(() => exchange(connection));
  });
}

/** Null when the client went before it was done. */
async function readRequest(frames: FrameReader): Promise<HttpRequest | null> {
  const first = await frames.next();
  if (first?.kind !== 'head') return null;
  const [method = '', path = ''] = headOf(first).line.split(' ');
  const parts: Bytes[] = [];
  for (;;) {
    const frame = await frames.next();
    if (frame === null) return null;
    if (frame.kind === 'end') break;
    parts.push(frame.payload);
  }
  const body = concat(parts);
  return { method, path, body: body.byteLength === 0 ? null : fromUtf8(body) };
}

async function send(connection: Connection, reply: Reply): Promise<void> {
  if (reply === 'dropped') return;
  if (reply === 'garbage') return connection.write(GARBAGE);
  const writer = new FrameWriter(connection);
  if (reply === 'cut') return writer.send(headFrame({ line: '200', headers: {} }));
  const { status, json } = reply;
  const head = headFrame({ line: String(status), headers: { 'content-type': 'application/json' } });
  await writer.send(head, ...bodyFrames(json === null ? NO_BYTES : utf8(JSON.stringify(json))));
}
