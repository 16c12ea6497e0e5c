/** The guest agent behind a Firecracker's vsock, reached as documented: `CONNECT PORT`, and `OK PORT` comes back. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { SystemError } from '../../src/env/system-error.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { NodeConnection } from '../../src/env/node/connection.ts';
import { connectGuestAgent } from '../../src/guest/connect-guest-agent.ts';
import type { GuestAgent } from '../../src/guest/guest-agent.ts';

const AGENT_PORT = 9001;
/** Emulated, and beside other tests, Linux takes its time to boot. */
const BOOT_TIMEOUT_MS = 120_000;
const ATTEMPT_TIMEOUT_MS = 2000;

/** Waits for the agent. @throws KelpieError when it does not answer in time. */
export async function guestAgent(
  socketPath: string,
  timeoutMs: number = BOOT_TIMEOUT_MS,
): Promise<GuestAgent> {
  const open = async (): Promise<NodeConnection> => {
    const socket = await openPort(socketPath, AGENT_PORT);
    if (socket === null) throw new SystemError('ECONNREFUSED', 'connect', socketPath);
    return new NodeConnection(socket, socketPath);
  };
  return await connectGuestAgent(createNodeEnv(), open, { timeoutMs });
}

/** A stream to a port of the guest; null when it is closed, or not answered in time: nobody listens there. */
export async function openPort(socketPath: string, port: number): Promise<Socket | null> {
  const socket = connect({ path: socketPath });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const late = setTimeout(() => resolve(false), ATTEMPT_TIMEOUT_MS);
  let line = '';
  const read = (): void => {
    for (let byte: unknown = socket.read(1); byte instanceof Buffer; byte = socket.read(1)) {
      line += byte.toString('latin1');
      if (line.endsWith('\n')) return resolve(/^OK \d+\n$/.test(line));
    }
  };
  socket.on('readable', read);
  for (const event of ['end', 'close', 'error']) socket.once(event, () => resolve(false));
  socket.once('connect', () => socket.write(`CONNECT ${port}\n`));
  const isOpen = await promise;
  clearTimeout(late);
  socket.off('readable', read);
  if (isOpen) return socket;
  socket.destroy();
  return null;
}
