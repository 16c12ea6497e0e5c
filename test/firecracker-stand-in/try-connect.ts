import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** @returns null when nobody listens. */
export async function tryConnect(path: string): Promise<Socket | null> {
  const { promise, resolve } = Promise.withResolvers<Socket | null>();
  const socket = connect({ path, allowHalfOpen: true });
  const onError = (): void => resolve(null);
  socket.once('error', onError);
  socket.once('connect', () => {
    socket.off('error', onError);
    resolve(socket);
  });
  return promise;
}
