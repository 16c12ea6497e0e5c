import { chmod } from 'node:fs/promises';
import { assert, defined } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import { SystemError } from '../system-error.ts';
import { attempt, toSystemError } from './system-errors.ts';
import type { Server } from 'node:net';
import type { SocketAddress } from '../sockets.ts';

/** What fits into `sun_path` with its closing zero: unix(7); <sys/un.h> on macOS. */
const UNIX_PATH_BYTES_MAX: number = process.platform === 'darwin' ? 103 : 107;
/** Leaves the owner's bits alone, since other threads of Node may be making files and folders at this moment. */
const OWNER_ONLY_UMASK = 0o077;
const SOCKET_MODE = 0o600;

/** For people and errors. */
export function describeAddress(address: SocketAddress): string {
  if (address.kind === 'unix') return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** The address in Node's words. @throws SystemError `ENAMETOOLONG`, which the kernel would not say but cut the path. */
export function nodeAddress(
  address: SocketAddress,
  act: string,
): { path: string } | { host: string; port: number } {
  if (address.kind === 'tcp') return { host: address.host, port: address.port };
  assert(address.path.startsWith('/'), 'paths are absolute');
  if (utf8(address.path).byteLength > UNIX_PATH_BYTES_MAX) {
    throw new SystemError('ENAMETOOLONG', act, address.path);
  }
  return { path: address.path };
}

/**
 * Starts to listen, with Unix sockets for the owner only from their first moment: `listen` binds before it returns, so
 * the mask is in force for that call alone.
 */
export async function listenPrivately(server: Server, address: SocketAddress): Promise<SocketAddress> {
  const subject = describeAddress(address);
  const options = nodeAddress(address, 'listen');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onError = (error: Error): void => reject(toSystemError(error, 'listen', subject));
  server.once('error', onError);
  server.once('listening', resolve);
  const mask = process.umask(OWNER_ONLY_UMASK);
  try {
    server.listen(options);
  } finally {
    process.umask(mask);
  }
  await promise;
  server.off('error', onError);
  // A connection that could not be accepted (no descriptors left) is closed by libuv, and its client is who is told.
  server.on('error', () => {});
  if (address.kind === 'tcp') return boundAddress(server, address);
  await attempt('chmod', address.path, async () => await chmod(address.path, SOCKET_MODE));
  return address;
}

function boundAddress(server: Server, asked: { readonly kind: 'tcp'; readonly host: string }): SocketAddress {
  const bound = defined(server.address(), 'the address of a listening server');
  assert(typeof bound !== 'string', 'a TCP server has a port');
  return { kind: 'tcp', host: asked.host, port: bound.port };
}
