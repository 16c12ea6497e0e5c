/**
 * The host's side of the guest's vsock: a Unix socket on which `CONNECT PORT` reaches what listens in the guest. There is no vsock
 * in the machine: port 9001 is the guest agent's virtio-serial port, every other port is one on which nobody listens.
 */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tryConnect } from './try-connect.ts';
import type { VsockDevice } from '../../src/sim/firecracker/platform.ts';
import type { Faults } from './faults.ts';
import type { Machine } from './machine.ts';
import type { StandInMachine } from './platform.ts';

const AGENT_PORT = 9001;
/** The first port that Firecracker gives to the host's end. */
const HOST_PORT_FIRST = 2 ** 30;
const REQUEST_BYTES_MAX = 32;

export class Vsock implements VsockDevice<StandInMachine> {
  readonly #server: Server;
  readonly #faults: Faults;
  readonly #kill: () => void;
  readonly #open = new Set<Socket>();
  #machine: Machine | null = null;
  /** Connections that came while the guest stood still. */
  #waiting: (() => void)[] = [];
  #isRunning = false;
  #isDeaf = false;
  #nextHostPort = HOST_PORT_FIRST;

  private constructor(server: Server, faults: Faults, kill: () => void) {
    this.#server = server;
    this.#faults = faults;
    this.#kill = kill;
    server.on('connection', (socket) => void this.#accept(socket));
  }

  /** @throws Error of the system: `EADDRINUSE` when there is a file at the path … */
  static async listen(path: string, faults: Faults, kill: () => void): Promise<Vsock> {
    const server = createServer({ allowHalfOpen: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(path, resolve);
    await promise;
    return new Vsock(server, faults, kill);
  }

  resume({ qemu }: StandInMachine, isDeaf: boolean): void {
    this.#machine = qemu;
    this.#isRunning = true;
    this.#isDeaf ||= isDeaf;
    if (isDeaf) for (const socket of this.#open) socket.unpipe();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const goOn of waiting) goOn();
  }

  pause(): void {
    this.#isRunning = false;
  }

  reset(): void {
    for (const socket of this.#open) socket.destroy();
    this.#isDeaf = false;
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
  }

  async #accept(socket: Socket): Promise<void> {
    this.#open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#open.delete(socket));
    const port = await readRequest(socket);
    const rule = await (await this.#faults.take('vsock')).meet('before', this.#kill);
    if (rule?.do === 'hang' || this.#isDeaf) return;
    if (port === null || rule !== null) {
      socket.destroy();
      return;
    }
    while (!this.#isRunning) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await this.#bridge(socket, port);
  }

  async #bridge(socket: Socket, port: number): Promise<void> {
    const machine = this.#machine;
    // The guest resets a connection to a port on which nobody listens.
    if (machine === null || port !== AGENT_PORT || !machine.isAgentListening) {
      socket.destroy();
      return;
    }
    // The agent serves one host; the newest connection takes the place of the one before.
    for (const other of this.#open) if (other !== socket) other.destroy();
    const agent = await tryConnect(`\0${machine.sockets.agent}`);
    if (agent === null) {
      socket.destroy();
      return;
    }
    socket.on('close', () => agent.destroy());
    agent.on('close', () => socket.destroy());
    agent.on('error', () => socket.destroy());
    socket.write(`OK ${this.#nextHostPort}\n`);
    this.#nextHostPort += 1;
    socket.pipe(agent);
    agent.pipe(socket);
  }
}

/** The port of `CONNECT PORT\n`; null when something else was said. */
async function readRequest(socket: Socket): Promise<number | null> {
  let line = '';
  for (;;) {
    const chunk: unknown = socket.read(1);
    if (chunk instanceof Buffer) {
      if (chunk[0] === 0x0a) break;
      line += chunk.toString('latin1');
      if (line.length > REQUEST_BYTES_MAX) return null;
    } else if (socket.readableEnded || socket.destroyed) {
      return null;
    } else {
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          socket.off('readable', goOn).off('end', goOn).off('close', goOn);
          resolve();
        };
        socket.on('readable', goOn).on('end', goOn).on('close', goOn);
      });
    }
  }
  const [, port] = /^connect (\d{1,10})$/i.exec(line) ?? [];
  return port === undefined ? null : Number(port);
}
