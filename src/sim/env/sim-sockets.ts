/** Unix and TCP sockets between the processes of one machine, and TCP to another one. */
import { assert } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Connection, Listener, SocketAddress, Sockets } from '../../env/sockets.ts';
import { isSystemError, SystemError } from '../../env/system-error.ts';
import { locate, lookup } from '../disk/paths.ts';
import type { Machine } from '../machine.ts';
import { Link } from '../network.ts';
import type { SimProcess } from '../process.ts';
import { Pipe } from './pipe.ts';

const UNIX_PATH_BYTES_MAX = 107;
const FIRST_FREE_PORT = 32_768;

export interface SimListener {
  readonly process: SimProcess;
  readonly onConnection: (connection: Connection) => void;
}

export class SimSockets implements Sockets {
  readonly #process: SimProcess;

  constructor(process: SimProcess) {
    this.#process = process;
  }

  async connect(address: SocketAddress, signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    checkLength(address, 'connect');
    const { machine } = this.#process;
    const there = machineAt(machine, address);
    const link = there === null || there === machine ? null : new Link(machine, there);
    return this.#process.wait<Connection>(
      'sockets.connect',
      (done) => {
        // Nobody answers there, not even with a refusal.
        if (there !== null) done(() => this.#connect(address, there, link));
      },
      { signal, subject: subjectOf(address), delayMs: link?.delayMs(this.#process) ?? 0 },
    );
  }

  async listen(address: SocketAddress, onConnection: (connection: Connection) => void): Promise<Listener> {
    checkLength(address, 'listen');
    return this.#process.call('sockets.listen', () => bind(this.#process, address, onConnection));
  }

  #connect(address: SocketAddress, there: Machine, link: Link | null): Connection {
    const { machine, label } = this.#process;
    const strike = machine.faults.hit('socket_refused', label);
    // A listener whose queue is full: a Unix socket's says so, and a machine refuses.
    const errno = address.kind === 'unix' ? 'EAGAIN' : 'ECONNREFUSED';
    if (strike !== null) throw new SystemError(errno, 'connect', subjectOf(address));
    return connectTo(this.#process, findListener(there, address), subjectOf(address), link);
  }
}

/** Takes an address for a process. @throws SystemError `EADDRINUSE`. */
function bind(
  process: SimProcess,
  address: SocketAddress,
  onConnection: (connection: Connection) => void,
): Listener {
  const { machine } = process;
  const bound =
    address.kind === 'unix'
      ? address
      : { ...address, port: address.port === 0 ? freePort(machine) : address.port };
  const key = address.kind === 'unix' ? bindPath(machine, address.path) : keyOf(machine, bound);
  if (machine.listeners.has(key)) throw new SystemError('EADDRINUSE', 'listen', subjectOf(address));
  machine.listeners.set(key, { process, onConnection });
  const stop = (): void => void machine.listeners.delete(key);
  process.onExit(stop);
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stop();
    if (bound.kind === 'unix') removeSocket(machine, bound.path);
  };
  return { address: bound, close: () => process.call('sockets.unlisten', close) };
}

function bindPath(machine: Machine, path: string): string {
  const place = locate(machine, path, 'listen');
  if (place.inode !== null) throw new SystemError('EADDRINUSE', 'listen', path);
  const inode = place.volume.newSocket(machine.scheduler.nowMs);
  place.volume.change({ directory: place.directory, name: place.name, inode });
  return `unix ${place.volume.name}:${inode.number}`;
}

function removeSocket(machine: Machine, path: string): void {
  const place = locate(machine, path, 'unlisten');
  if (place.inode?.kind === 'socket')
    place.volume.change({ directory: place.directory, name: place.name, inode: null });
}

/** The machine that an address is on; null when nobody has its name. */
function machineAt(machine: Machine, address: SocketAddress): Machine | null {
  if (address.kind === 'unix' || isLocal(address.host)) return machine;
  return machine.network?.find(address.host) ?? null;
}

/** The listener at an address of a machine. @throws SystemError `ENOENT`, `ECONNREFUSED`. */
function findListener(machine: Machine, address: SocketAddress): SimListener {
  const listener = machine.listeners.get(keyOf(machine, address));
  if (listener === undefined) throw new SystemError('ECONNREFUSED', 'connect', subjectOf(address));
  return listener;
}

/** Who listens at an address, as a machine sees it; null when nobody does. */
export function serverOf(machine: Machine, address: SocketAddress): string | null {
  const there = machineAt(machine, address);
  if (there === null) return null;
  try {
    return findListener(there, address).process.label;
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}

function keyOf(machine: Machine, address: SocketAddress): string {
  if (address.kind === 'tcp') return `tcp ${address.port}`;
  const { volume, inode } = lookup(machine, address.path, 'connect');
  return `unix ${volume.name}:${inode.number}`;
}

function freePort(machine: Machine): number {
  for (let port = FIRST_FREE_PORT; ; port += 1) if (!machine.listeners.has(`tcp ${port}`)) return port;
}

/** Joins two processes; the far one hears of it at some later step. @param link what is between their machines. */
function connectTo(
  process: SimProcess,
  { process: server, onConnection }: SimListener,
  subject: string,
  link: Link | null,
): Connection {
  const up = new Pipe();
  const down = new Pipe();
  const near = new SimConnection({ process, subject, link }, down, up);
  const far = new SimConnection({ process: server, subject, link }, up, down);
  server.post('sockets.accept', () => onConnection(far));
  return near;
}

interface ConnectionEnd {
  readonly process: SimProcess;
  readonly subject: string;
  readonly link: Link | null;
}

class SimConnection implements Connection {
  readonly #process: SimProcess;
  readonly #subject: string;
  readonly #link: Link | null;
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  #isReading = false;
  #isWriting = false;
  #isClosed = false;

  constructor({ process, subject, link }: ConnectionEnd, incoming: Pipe, outgoing: Pipe) {
    this.#process = process;
    this.#subject = subject;
    this.#link = link;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    process.onExit(() => this.#drop());
  }

  async read(): Promise<Bytes | null> {
    assert(!this.#isReading, 'one read at a time');
    if (this.#isClosed) return null;
    this.#isReading = true;
    try {
      const bytes = await this.#incoming.read(this.#process, 'sockets.read', this.#subject);
      return this.#link === null ? bytes : await this.#link.carry(this.#process, bytes);
    } catch (error) {
      // The other side hears of it too.
      this.#drop();
      throw error;
    } finally {
      this.#isReading = false;
    }
  }

  async write(bytes: Bytes): Promise<void> {
    assert(!this.#isWriting, 'one write at a time');
    this.#isWriting = true;
    try {
      if (bytes.byteLength > 0) {
        await this.#outgoing.write(this.#process, 'sockets.write', bytes, this.#subject);
      } else await this.#process.call('sockets.write', () => undefined);
    } finally {
      this.#isWriting = false;
    }
  }

  async end(): Promise<void> {
    await this.#process.call('sockets.end', () => this.#outgoing.end(), { subject: this.#subject });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop();
  }

  /** As the kernel does it: what was sent may still be read; who still sends is refused. */
  #drop(): void {
    this.#outgoing.end();
    this.#incoming.stopReading();
  }
}

function isLocal(host: string): boolean {
  return host === '127.0.0.1' || host === 'localhost' || host === '::1';
}

function subjectOf(address: SocketAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}

function checkLength(address: SocketAddress, act: string): void {
  if (address.kind === 'unix' && utf8(address.path).byteLength > UNIX_PATH_BYTES_MAX) {
    throw new SystemError('ENAMETOOLONG', act, address.path);
  }
}
