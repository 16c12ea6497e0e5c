/**
 * The host's side of the simulated guest's vsock: `CONNECT 9001` reaches the agent, any other port is one on which nobody listens.
 *
 *     CONNECT ──▶ guest runs, agent listens ──▶ OK, bytes
 *             ├──▶ nobody listens: closed
 *             └──▶ deaf, or no driver yet: silence
 */
import { concat, fromUtf8Lossy, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import type { Connection, Listener } from '../../../env/sockets.ts';
import { readOrNull } from '../../env/read-or-null.ts';
import type { VsockDevice } from '../../firecracker/platform.ts';
import type { SimFirecracker, SimMachine } from './machine.ts';

const AGENT_PORT = 9001;
/** The first port that Firecracker gives to the host's end. */
const HOST_PORT_FIRST = 2 ** 30;
const REQUEST_BYTES_MAX = 32;
const NEWLINE = 0x0a;

export class SimVsock implements VsockDevice<SimMachine> {
  readonly #firecracker: SimFirecracker;
  readonly #open = new Set<Connection>();
  #listener: Listener | null = null;
  #machine: SimMachine | null = null;
  #isRunning = false;
  #isDeaf = false;
  #nextHostPort = HOST_PORT_FIRST;
  /** Settled when the guest goes on, or connections end. */
  #changed: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  private constructor(firecracker: SimFirecracker) {
    this.#firecracker = firecracker;
  }

  /** @throws SystemError `EADDRINUSE` when there is a file at the path … */
  static async listen(firecracker: SimFirecracker, path: string): Promise<SimVsock> {
    const vsock = new SimVsock(firecracker);
    const { sockets } = firecracker.env;
    const address = { kind: 'unix' as const, path: firecracker.at(path) };
    vsock.#listener = await sockets.listen(address, (connection) => void vsock.#accept(connection));
    return vsock;
  }

  pause(): void {
    this.#isRunning = false;
  }

  resume(machine: SimMachine, isDeaf: boolean): void {
    this.#machine = machine;
    this.#isRunning = true;
    if (isDeaf) this.#firecracker.truth.mark('firecracker: vsock is deaf');
    this.#isDeaf ||= isDeaf;
    this.#tellChange();
  }

  reset(): void {
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    this.#isDeaf = false;
    this.#tellChange();
  }

  async close(): Promise<void> {
    this.reset();
    await this.#listener?.close();
  }

  async #accept(connection: Connection): Promise<void> {
    this.#open.add(connection);
    const request = await readRequest(connection);
    if (request !== null && (await this.#isHeard(connection))) await this.#bridge(connection, request);
    this.#open.delete(connection);
    connection.close();
  }

  /** Waits until the guest hears what comes; false when the connection ended before. */
  async #isHeard(connection: Connection): Promise<boolean> {
    const isReady = (): boolean => this.#isRunning && !this.#isDeaf;
    while (this.#open.has(connection)) {
      if (isReady()) await this.#machine?.held.passed();
      if (isReady()) return true;
      await this.#changed.promise;
    }
    return false;
  }

  async #bridge(
    connection: Connection,
    { port, rest }: { readonly port: number | null; readonly rest: Bytes },
  ): Promise<void> {
    const machine = this.#machine;
    if (machine === null || port !== AGENT_PORT) return;
    if (!machine.isAgentListening) {
      // Nobody listens yet, or there is not even a driver that would say so.
      if (this.#firecracker.process.machine.random.chance(0.5)) await readOrNull(connection);
      return;
    }
    // The agent serves one host; the newest connection takes the place of the one before.
    for (const other of this.#open) if (other !== connection) other.close();
    const { agent } = machine.held;
    agent.hangUp();
    await send(connection, utf8(`OK ${this.#nextHostPort}\n`));
    this.#nextHostPort += 1;
    for (let bytes: Bytes | null = rest; bytes !== null; bytes = await readOrNull(connection)) {
      if (bytes.byteLength === 0) continue;
      if (!(await this.#isHeard(connection))) return;
      machine.held.catchUp();
      const answer = agent.take(bytes);
      await this.#firecracker.env.clock.sleep(agent.takeDelayMs());
      if (answer.byteLength > 0) await send(connection, answer);
    }
  }

  #tellChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Whoever reads may be gone: the next read says so. */
async function send(connection: Connection, bytes: Bytes): Promise<void> {
  await connection.write(bytes).catch(() => undefined);
}

/** The port of `CONNECT PORT\n`, null for something else, and what came behind it; null when the other side is gone. */
async function readRequest(
  connection: Connection,
): Promise<{ readonly port: number | null; readonly rest: Bytes } | null> {
  let read: Bytes = new Uint8Array(0);
  for (;;) {
    const end = read.indexOf(NEWLINE);
    if (end >= 0) {
      const [, port] = /^connect (\d{1,10})$/i.exec(fromUtf8Lossy(read.subarray(0, end))) ?? [];
      return { port: port === undefined ? null : Number(port), rest: read.slice(end + 1) };
    }
    if (read.byteLength > REQUEST_BYTES_MAX) return { port: null, rest: read };
    const bytes = await readOrNull(connection);
    if (bytes === null) return null;
    read = concat([read, bytes]);
  }
}
