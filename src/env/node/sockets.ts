import { createServer, Socket } from 'node:net';
import { NodeConnection } from './connection.ts';
import { describeAddress, listenPrivately, nodeAddress } from './socket-address.ts';
import { toSystemError } from './system-errors.ts';
import type { Connection, Listener, SocketAddress, Sockets } from '../sockets.ts';

async function connectTo(address: SocketAddress, signal?: AbortSignal): Promise<Connection> {
  signal?.throwIfAborted();
  const subject = describeAddress(address);
  const where = nodeAddress(address, 'connect');
  const socket = new Socket({ allowHalfOpen: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onError = (error: Error): void => reject(toSystemError(error, 'connect', subject));
  const onAbort = (): void => reject(signal?.reason);
  socket.once('connect', resolve);
  socket.once('error', onError);
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.connect(where);
  try {
    await promise;
    return new NodeConnection(socket, subject);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    socket.off('error', onError);
  }
}

async function listen(
  address: SocketAddress,
  onConnection: (connection: Connection) => void,
): Promise<Listener> {
  const subject = describeAddress(address);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    onConnection(new NodeConnection(socket, subject));
  });
  const bound = await listenPrivately(server, address);
  return {
    address: bound,
    // Node's callback waits for the connections too; the listening itself, and its file, end with the call.
    close: async () => void server.close(),
  };
}

export function createNodeSockets(): Sockets {
  return { connect: connectTo, listen };
}
